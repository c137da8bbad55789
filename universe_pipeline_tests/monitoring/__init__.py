"""Monitoring: what needs a person, on a real database, sent to real servers."""
