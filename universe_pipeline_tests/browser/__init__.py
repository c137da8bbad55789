"""Dagster's pages as a person uses them: a real Chromium in front of a real `universe up`."""
