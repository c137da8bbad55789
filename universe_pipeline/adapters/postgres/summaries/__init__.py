"""Figures for `status`, `doctor` and the report, read from small tables."""
