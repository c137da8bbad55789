"""The outside world. No Dagster here, and the adapters do not know each other."""
