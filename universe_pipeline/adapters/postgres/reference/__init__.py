"""The vendor's reference lists: symbols and splits."""
