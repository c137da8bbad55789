"""How a connection comes about: addresses, session settings, pools, waits and obstacles."""
