"""`universe up` and Dagster's real services, from outside: processes, signals and GraphQL."""
