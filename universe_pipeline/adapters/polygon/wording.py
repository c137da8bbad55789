"""The vendor's words in ours: short, and harmless to a terminal or a log."""

import re
from html import unescape

from universe_pipeline.domain import foreign_text

_LONGEST = 300
_FIRST_WORDS = 120
_READ = 16 * 1024

_MARKUP = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
"""Each alternative ends at the end of the text at the latest, so that one pass is enough."""


def visible(text: str) -> str:
    """The beginning of a foreign text, its control characters written out."""
    return foreign_text.visible(text[:_LONGEST])


def first_words(body: bytes | bytearray) -> str:
    """Up to 120 characters from the beginning of a body; of a page in HTML or XML, of its text."""
    text = bytes(body[:_READ]).decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        text = unescape(_MARKUP.sub(" ", text)).strip() or text
    words = " ".join(text.split())
    return visible(words[:_FIRST_WORDS]) + ("…" if len(words) > _FIRST_WORDS else "")
