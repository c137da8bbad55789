"""Tests of the vendor's client: real HTTP, answered by a vendor that follows a script."""
