"""What Dagster does not document; only this package may import its private modules."""
