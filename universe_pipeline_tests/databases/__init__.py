"""Databases as other people set them up: addresses, roles, settings, poolers."""
