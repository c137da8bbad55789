"""Tests of universe_pipeline.domain."""
