"""Exit codes of every command."""

DONE = 0
FAILED = 1
"""Done with failures or failed checks."""
WRONG_USAGE = 2
"""Wrong usage or settings; nothing was done."""
INTERRUPTED = 130
"""Interrupted, with progress saved."""
