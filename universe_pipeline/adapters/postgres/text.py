"""The vendor's text as PostgreSQL can store it: the one character that it cannot hold is NUL."""

from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def storable(text: str) -> str:
    r"""`text` with NUL and lone surrogates written out as `\u0000`, `\ud800`."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()


def storable_json(value: Json) -> Json:
    """`value` with every text in it made storable, keys included."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): storable_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    return value
