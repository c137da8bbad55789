"""Everything under deploy/ is valid, and agrees with the code."""
