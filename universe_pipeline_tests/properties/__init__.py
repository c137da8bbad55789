"""What must hold for any input: found by hypothesis, the same examples each time."""
