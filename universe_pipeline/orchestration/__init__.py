"""All Dagster: assets, checks, jobs, resources, the IO manager, and runs from the command line."""
