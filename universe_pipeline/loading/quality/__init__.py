"""The quality rules applied: while loading, to stored bars, and to what waits for approval."""
