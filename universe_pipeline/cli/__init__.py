"""`universe`: parses, calls, prints, exits."""

from universe_pipeline.cli.app import app, main

__all__ = ["app", "main"]
