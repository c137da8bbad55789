"""Identity in the database."""
