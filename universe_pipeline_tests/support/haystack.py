"""Everything that a load leaves behind, searched for a secret in every shape that it could have."""

import base64
import contextlib
import json
import re
import threading
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
from psycopg import sql


def shapes(secret: str) -> dict[str, bytes]:
    """A secret as it is, and as URLs, JSON, Python and base64 write it, by name."""
    raw, quoted = secret.encode(), quote(secret, safe="")
    texts = {
        "plain": secret,
        "in a URL": quoted,
        "in a URL, lower case": re.sub("%..", lambda escape: escape[0].lower(), quoted),
        "in a form": quote_plus(secret),
        "in JSON": json.dumps(secret)[1:-1],
        "in Python": repr(secret)[1:-1],
        "in hex": raw.hex(),
    }
    for before in range(3):
        # Before and after any text, these characters of its base64 are always the same.
        start, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for name, encode in (("", base64.b64encode), (" of URLs", base64.urlsafe_b64encode)):
            texts[f"base64{name}, {before} on"] = encode(b"\0" * before + raw)[start:end].decode()
    return {name: text.encode() for name, text in texts.items()}


def found(secret: str, haystack: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where a secret stands in the haystack, and in which shape."""
    looked_for = shapes(secret)
    return [
        f"{place}: {shape}"
        for place, content in haystack
        for shape, text in looked_for.items()
        if text in content
    ]


def in_tables(url: str) -> Iterator[tuple[str, bytes]]:
    """Every value of every table of the database, packed ones unpacked too."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('public', 'dagster') AND table_type = 'BASE TABLE'"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            for row in connection.execute(query):
                for value in row:
                    yield f"{schema}.{table}", _as_bytes(value)


def _as_bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    with contextlib.suppress(zlib.error):
        return zlib.decompress(value)
    return value


def in_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of every file below the folder."""
    for path in folder.rglob("*"):
        yield "a file's name", str(path).encode()
        if path.is_file():
            yield str(path), path.read_bytes()


@contextmanager
def watched_processes() -> Generator[set[bytes]]:
    """The command lines of all processes of the machine, as often as they can be looked at."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen.update(_command_lines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _command_lines() -> Iterator[bytes]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield file.read_bytes().replace(b"\0", b" ")
