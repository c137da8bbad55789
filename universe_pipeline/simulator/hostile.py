"""Rows of bars that are text from a stranger: each says what the product must make of it."""

_DEEP = b"[" * 500 + b"]" * 500
_LONG = b"X" * 1_000_000


def _row(symbol: bytes, **values: bytes) -> bytes:
    """A row that is right but for its symbol and the `values`, in the vendor's JSON."""
    right = {"o": b"10.0", "h": b"11.0", "l": b"9.0", "c": b"10.5", "v": b"1000", "n": b"12"}
    numbers = {**right, **values}
    return b'{"T":"%b",%b}' % (
        symbol,
        b",".join(b'"%b":%b' % (name.encode(), value) for name, value in numbers.items()),
    )


STORED = (
    _row(b"O'NEIL\\\"`$(id)"),
    _row(b"{0}%s%(x)s\\\\N"),
    _row("Ä€漢😀".encode()),
    _row(b"<b>&amp;[/b]"),
    _row(b"HUGE", h=b"1.7976931348623157e308", v=b"1e308", vw=b"-1e308", n=b"9007199254740992"),
    _row(b"TINY", o=b"5e-324", h=b"5e-324", l=b"5e-324", c=b"5e-324", v=b"0"),
    _row(b"DEEP", x=_DEEP),
)
"""Odd and valid rows: they must be stored as they are."""

REJECTED = (
    (_row(b"';\\u0020DROP\\u0020TABLE\\u0020daily_bars;--"), "symbol_form"),
    (_row(b"NUL\\u0000"), "symbol_form"),
    (_row(b"\\u001b[31mRED"), "symbol_form"),
    (_row("RTL\u202e".encode()), "symbol_form"),
    (_row(b"X" * 33), "symbol_form"),
    (_row(b""), "symbol_form"),
    (_row(b"MINUS", l=b"-1e308"), "price_positive"),
    (_row(b"NULLS", o=b"null", c=b"null"), "price_positive"),
    (_row(b"BEYOND", o=b"1e400"), "undecodable"),
    (_row(b"DIGITS", v=b"9" * 400), "undecodable"),
    (_row(b"SHARES", n=b"1e300"), "undecodable"),
    (_row(b"TEXT", o=b'"\\u0000"', x=b'{"\\u0000":{"$ne":1}}'), "undecodable"),
    (_row(b"NESTED", o=_DEEP), "undecodable"),
    (_row(_LONG), "undecodable"),
    (_row(b"BYTES\xfe\xff"), "undecodable"),
    (b"[]", "undecodable"),
    (b'"row"', "undecodable"),
    (b"null", "undecodable"),
    (b'{"T":{"T":"T"}}', "undecodable"),
)
"""Each with the rule that it breaks."""


def hostile_rows(stamp: int | None) -> list[bytes]:
    """All of them as JSON, those that are bars with the `t` of the answer."""
    with_time = b'{"t":%d,' % stamp if stamp is not None else b"{"
    whole = [*STORED, *(row for row, _ in REJECTED)]
    return [with_time + row[1:] if row.startswith(b'{"T":"') else row for row in whole]
