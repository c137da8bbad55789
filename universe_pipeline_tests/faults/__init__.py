"""Every fault, tried for real, and what was lost by it: `make faults` prints the table."""
