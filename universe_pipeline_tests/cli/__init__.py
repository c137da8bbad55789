"""Tests of universe_pipeline.cli."""
