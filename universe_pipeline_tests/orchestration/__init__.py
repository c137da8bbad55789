"""Tests of universe_pipeline.orchestration."""
