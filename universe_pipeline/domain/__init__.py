"""What the product knows, without doing anything: no I/O, clock, environment or logging."""
