"""Tests: they mirror the package, fake only the vendor's side of the wire, and run the rest."""
