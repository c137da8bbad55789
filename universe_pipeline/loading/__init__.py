"""The ways in, each fetch -> decode -> validate -> write: sessions, symbols, the universe."""
