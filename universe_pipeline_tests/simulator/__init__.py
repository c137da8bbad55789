"""Tests of the simulated vendor, over the wire: its answers are what other tests rely on."""
