"""The vendor's API key: sent as a bearer header, shown nowhere."""

from universe_pipeline.domain.errors import SettingsError

_SHORTEST_REAL = 8
"""A shorter key is a stand-in such as `k`, which ordinary words contain."""


class ApiKey:
    """A key whose repr, str and pickled errors do not show it."""

    def __init__(self, value: str) -> None:
        """Check that `value` can be sent in a header.

        Raises:
            SettingsError: it cannot; httpx's own message would show it.
        """
        if not value or any(not "!" <= character <= "~" for character in value):
            raise SettingsError(
                ["POLYGON_API_KEY is empty or holds spaces or special characters, as no key does"]
            )
        self._value = value

    def __repr__(self) -> str:
        return "ApiKey(hidden)"

    @property
    def bearer(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._value}"

    def hidden_in(self, text: str) -> str:
        """`text` without the key, should the vendor have repeated it."""
        return text.replace(self._value, "[key]") if len(self._value) >= _SHORTEST_REAL else text
