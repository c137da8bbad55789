"""The vendor's API key: sent as a bearer header, shown nowhere."""

import re
from itertools import takewhile
from urllib.parse import quote

from universe_pipeline.domain.addresses import is_visible
from universe_pipeline.domain.errors import SettingsError

_COMMON = b"abdefgijkmpqrsuxyzvwochlntABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+_/=~.%"
"""Bytes of keys; the later ones are the more common in answers, whose rows hold v, vw, o and c."""

_SHORTEST_REAL = 8
"""A shorter key is a stand-in such as `k`, which ordinary words contain."""


class ApiKey:
    """A key whose repr, str and pickled errors do not show it."""

    def __init__(self, value: str) -> None:
        """Check that `value` can be sent in a header.

        Raises:
            SettingsError: it cannot; the library's own message would show it.
        """
        if not value or not is_visible(value):
            raise SettingsError(
                ["POLYGON_API_KEY is empty or holds spaces or special characters, as no key does"]
            )
        self._value = value
        self._escaped = _escaped(value)

    def __repr__(self) -> str:
        return "ApiKey(hidden)"

    @property
    def bearer(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._value}"

    def hidden_in(self, text: str) -> str:
        """`text` without the key, should the vendor have repeated it: as it is or as URLs write it.

        Of a key that the text breaks off in, from its eighth character on, the beginning is hidden.
        """
        if len(self._value) < _SHORTEST_REAL:
            return text
        for shape in self._shapes():
            text = _without(shape, text)
        return text

    def is_in(self, body: bytes | bytearray) -> bool:
        """Whether a JSON document holds the key: as it is, or as URLs or JSON escapes write it."""
        if len(self._value) < _SHORTEST_REAL:
            return False
        if any(_is_in(body, shape.encode()) for shape in self._shapes()):
            return True
        return b"\\" in body and self._escaped.search(body) is not None

    def _shapes(self) -> list[str]:
        in_urls = quote(self._value, safe="")
        return list(dict.fromkeys((self._value, in_urls, _lower_escapes(in_urls))))


def _is_in(body: bytes | bytearray, secret: bytes) -> bool:
    """`secret in body`, in a tenth of its time: a single rare byte is found by the C library."""
    rare = min(secret, key=_COMMON.find)
    before, place = secret.index(rare), -1
    while (place := body.find(rare, place + 1)) >= 0:
        if body.startswith(secret, max(0, place - before)):
            return True
    return False


def _escaped(secret: str) -> "re.Pattern[bytes]":
    """The secret with any of its characters as JSON may escape it; searching takes no memory."""
    each = (rf"(?:\\?{re.escape(character)}|\\u(?i:{ord(character):04x}))" for character in secret)
    return re.compile("".join(each).encode())


def _without(secret: str, text: str) -> str:
    beginning, rest = secret[:_SHORTEST_REAL], secret[_SHORTEST_REAL:]
    shown, *following = text.split(beginning)
    return shown + "".join("[key]" + part[_alike(part, rest) :] for part in following)


def _alike(one: str, other: str) -> int:
    """How many characters at their beginning are the same."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _lower_escapes(quoted: str) -> str:
    first, *others = quoted.split("%")
    return first + "".join(f"%{other[:2].lower()}{other[2:]}" for other in others)
