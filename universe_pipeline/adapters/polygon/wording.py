"""The vendor's words in ours: short, and harmless to a terminal or a log."""

_LONGEST = 300


def visible(text: str) -> str:
    """The beginning of a foreign text, its control characters written out."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text[:_LONGEST]
    )
