"""What people see in Dagster's UI other than runs: metadata and plots."""
