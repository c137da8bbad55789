"""`daily_bars` and what belongs to it: quarters, revisions, rejected rows, COPY and reads."""
