"""Tests of universe_pipeline.monitoring."""
