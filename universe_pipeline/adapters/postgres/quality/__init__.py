"""Results of the quality rules, and what bars are judged by."""
