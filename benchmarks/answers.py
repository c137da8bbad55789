"""Grouped answers as they go over the wire, made once by the simulator and kept in `.cache`.

The bodies are those of the newest year; older sessions get them again under their own time. Each
year before the fifth lacks half a percent more of the symbols, as the market has grown.
"""

import re
import shutil
import zlib
from collections.abc import Sequence
from datetime import date, time
from hashlib import blake2b
from pathlib import Path

from universe_pipeline import simulator
from universe_pipeline.simulator.market import milliseconds
from universe_pipeline.simulator.request import Request
from universe_pipeline.simulator.server import SimulatedVendor

YEAR = 252
GZIP = 31
"""zlib's window bits for the gzip container."""

_PATH = "/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false"
_ROW = re.compile(rb'\{[^{}]*"T":"([^"]*)"[^{}]*\},?')
_COUNT = re.compile(rb'"(queryCount|resultsCount|count)":\d+')
_STEADY_YEARS = 5
_GROWTH = 0.005
_KEPT = (b"SPY", b"AAPL", b"MSFT", b"BRK.A")
"""What every session must have."""
_STAMP = re.compile(rb'"t":\d{13}')
_CLOSE = time(16)


def prepared(cache: Path, symbols: int, sessions: Sequence[date]) -> Path:
    """The folder with a simulator's answers to `sessions`; what is missing is made."""
    folder = cache / f"answers-{symbols}-{_fingerprint()}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in set(cache.glob(f"answers-{symbols}-*")) - {folder}:
        shutil.rmtree(old)
    missing = {day for day in sessions if not packed(folder, day).exists()}
    if missing:
        newest_first = sessions[::-1]
        with SimulatedVendor(symbols=symbols) as vendor:
            for age, source in enumerate(newest_first[:YEAR]):
                days = [day for day in newest_first[age::YEAR] if day in missing]
                _pack_alike(folder, vendor, source, days)
    return folder


def packed(folder: Path, day: date) -> Path:
    """Where the answer to `day` lies."""
    return folder / f"{day}.json.gz"


def body(folder: Path, day: date) -> bytes:
    """The answer to `day`, unpacked."""
    return zlib.decompress(packed(folder, day).read_bytes(), GZIP)


def rows_of(folder: Path, day: date) -> int:
    """How many bars the answer to `day` has."""
    return len(_STAMP.findall(body(folder, day)))


def _pack_alike(folder: Path, vendor: SimulatedVendor, source: date, days: Sequence[date]) -> None:
    if not days:
        return
    target = _PATH.format(day=source)
    rendered = vendor.answer(Request.of(target, "127.0.0.1", "Bearer benchmarks")).body
    for day in days:
        years = max(0, (source - day).days // 365 - _STEADY_YEARS)
        stamped = _STAMP.sub(b'"t":%d' % milliseconds(day, _CLOSE), _smaller(rendered, years))
        partial = packed(folder, day).with_suffix(".partial")
        partial.write_bytes(zlib.compress(stamped, zlib.Z_BEST_SPEED, GZIP))
        partial.replace(packed(folder, day))


def _smaller(document: bytes, years: int) -> bytes:
    """The answer of the market so many years ago: without the symbols that were not listed yet."""
    if not years:
        return document
    first, after = document.index(b"[") + 1, document.rindex(b"]")
    rows = [
        row[0].rstrip(b",")
        for row in _ROW.finditer(document, first, after)
        if row[1] in _KEPT or _listed_before(row[1]) >= years
    ]
    around = (document[:first], b",".join(rows), document[after:])
    return _COUNT.sub(lambda found: b'"%s":%d' % (found[1], len(rows)), b"".join(around))


def _listed_before(symbol: bytes) -> int:
    """How many years before the steady ones a symbol was listed; most were there all the time."""
    number = int.from_bytes(blake2b(symbol, digest_size=4).digest()) / 2**32
    return int(number / _GROWTH)


def _fingerprint() -> str:
    """Another simulator gives other answers."""
    digest = blake2b(digest_size=6)
    for path in sorted(Path(simulator.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
