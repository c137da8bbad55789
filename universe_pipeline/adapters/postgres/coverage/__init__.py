"""`data_coverage`: which sessions each symbol has a bar of."""
