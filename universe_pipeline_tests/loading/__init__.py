"""Tests of universe_pipeline.loading."""
