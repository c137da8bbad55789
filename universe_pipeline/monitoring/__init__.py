"""What needs a person: found in the database, and sent. Knows neither Dagster nor the vendor."""
