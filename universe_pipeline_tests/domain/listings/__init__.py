"""Identity: segments and evidence in, securities out."""
