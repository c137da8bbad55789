"""Tests of the adapters, each against the real other side or real sockets."""
