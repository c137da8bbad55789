"""Well-formed answers made wrong: byte by byte, and value by value."""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from hypothesis import strategies as st

Path: TypeAlias = tuple[str | int, ...]

_SPLICES = (
    b"", b"\x00", b"\n", b"\x1b", b"\x7f", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b'"', b"\\", b"\\u0000", b"\\ud800", b"\\udc00", b",", b":", b"{", b"}", b"[", b"]", b"-",
    b"1e400", b"-1e400", b"1e-400", b"NaN", b"Infinity", b"9" * 5_000, b"null", b"true", b"//",
)  # fmt: skip


@st.composite
def broken_bytes(draw: st.DrawFn, sound: bytes) -> bytes:
    """`sound` after one to four changes: a bit flipped, a stretch cut, spliced or repeated."""
    body = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(body) - 1)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "cut", "end", "splice", "splice", "repeat"])):
            case "flip" if body:
                body[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del body[start:end]
            case "end":
                del body[start:]
            case "splice":
                splice = draw(st.sampled_from(_SPLICES) | st.binary(max_size=8))
                body[start : min(end, start + 2)] = splice
            case _:
                body[end:end] = body[start:end] * draw(st.integers(1, 50))
    return bytes(body)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)

_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)

_RAW = st.sampled_from(
    [
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "-0.0", "01", "1.", ".5",
        "1e5", "1E+5", "203.0", "2.5", "9" * 5_000, "-" + "9" * 400, "9007199254740993",
        "18446744073709551616", "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000,
        "[" * 200 + "]" * 200, r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', r'"\u001b[31m"',
        '"+99999-1-1"', '"0000-01-01"', '"9999-12-31T23:59:59-23:00"', '"\u202e"', '"A B"',
        '""', '"' + "x" * 2_000 + '"', '"\'; DROP TABLE daily_bars; --"',
        r'"\"\\\/"', '"NaN"', '"1e400"', "null", "true", "[]", "{}", "[null]", '{"T":"A"}',
    ]
)  # fmt: skip
"""Values as they stand in a document, some of them in none that is right."""

_JSON = _RAW | _VALUE.map(json.dumps)


@st.composite
def wrong_values(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """`document` after one to three changes: values replaced, keys dropped, doubled or added."""
    changed: Any = json.loads(json.dumps(document))
    raw: dict[str, str] = {}
    for number in range(draw(st.integers(1, 3))):
        *above, key = draw(st.sampled_from(list(_paths(changed)) or [("status",)]))
        holder = changed
        for step in above:
            holder = holder[step]
        token = f"@@{number}@@"
        replaced = draw(_JSON)
        match draw(st.sampled_from(["replace", "replace", "drop", "double", "add"])):
            case "drop":
                del holder[key]
                continue
            case "double" if isinstance(key, str) and key in holder:
                replaced = f"{json.dumps(holder[key])},{json.dumps(key)}:{replaced}"
            case "add" if isinstance(key, str):
                key = draw(_TEXT)
            case _:
                pass
        holder[key] = token
        raw[f'"{token}"'] = replaced
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    text = json.dumps(changed, ensure_ascii=draw(st.booleans()), separators=separators)
    for token, value in raw.items():
        text = text.replace(token, value)
    return text.encode("utf-8", "surrogatepass")


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """The ways to everything inside."""
    for key, item in _inside(value):
        yield (*above, key)
        yield from _paths(item, (*above, key))


def _inside(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).items())
    return list(enumerate(cast("list[Any]", value))) if isinstance(value, list) else []
