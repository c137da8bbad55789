"""What a session sets before it works: nothing depends on how its role or database is set up.

It is set after connecting. A pooler (PgBouncer) refuses or ignores what is said while connecting.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from universe_pipeline.adapters.postgres.connecting.address import NOTICING
from universe_pipeline.adapters.postgres.connecting.obstacles import refusal
from universe_pipeline.domain.errors import DatabaseError

OLDEST_SERVER = 150000
"""PostgreSQL 15 in the server's own numbering."""
SEVENTEEN = 170000

_MEANING = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "row_security": "on",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "exit_on_error": "off",
}
"""Other values would change what statements mean, or what is read and written."""

READS = {"default_transaction_read_only": "on"}
"""The server refuses every write of the session."""


def of_types(types: Sequence[str]) -> dict[str, str]:
    """Let `types` be those by which the session's views filter; none: those that are stored."""
    return {"universe.types": ",".join(types)} if types else {}


BACKEND = "pg_catalog.pg_backend_pid()"

_NO_LIMITS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
"""A load waits for the vendor and for locks, which may take hours."""

_LOST_CLIENT = {f"tcp_{name.removeprefix('tcp_')}": value for name, value in NOTICING.items()}
"""The server notices a client that has vanished. The kernel's default is two hours, for which the
server would keep its locks. What `options` of the address say wins."""


def opening_query(
    schema: str,
    server_version: int,
    options: str,
    *,
    but: Collection[str] = (),
    own: Mapping[str, str] | None = None,
) -> str:
    """One statement, so one round trip, that sets all of it; `backend` takes its row.

    Args:
        schema: the only one in which unqualified names are looked up. A role may have a schema of
            its name, which would come first otherwise.
        server_version: in the server's own numbering.
        options: those of the address.
        but: names of settings that stay as they are.
        own: values of this session; they win.

    Raises:
        DatabaseError: the server is too old.
    """
    if server_version < OLDEST_SERVER:
        raise DatabaseError(
            f"PostgreSQL {server_version // 10000} is too old: PostgreSQL 15 or newer is needed"
        )
    settings = dict(_settings(schema, server_version, options)) | dict(own or {})
    changes = (
        f"pg_catalog.set_config('{name}', {_literal(value)}, false)"
        for name, value in settings.items()
        if name not in but
    )
    return f"SELECT {BACKEND}, {', '.join(changes)}, pg_catalog.current_schema()"


def _literal(value: str) -> str:
    """A text as SQL reads it, with `standard_conforming_strings` on or off."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def _settings(schema: str, server_version: int, options: str) -> Iterator[tuple[str, str]]:
    yield "search_path", schema
    yield from _MEANING.items()
    for name in _NO_LIMITS:
        if name != "transaction_timeout" or server_version >= SEVENTEEN:
            yield name, "0"
    yield from _noticing(options)


def _noticing(options: str) -> Iterator[tuple[str, str]]:
    given = {found.replace("-", "_") for found in re.findall(r"(?:-c\s*|--)([\w-]+)=", options)}
    return ((name, value) for name, value in _LOST_CLIENT.items() if name not in given)


def program_options(schema: str, options: str, own: Mapping[str, str]) -> str:
    """The same for the session of a program (psql, pg_dump), to add to the address's `options`.

    Such a session is for people as well: it keeps its role's time limits.
    """
    ours = {"search_path": schema, **_MEANING, "idle_session_timeout": "0", **own}
    settings = (*_noticing(options), *ours.items())
    return " ".join(f"-c{name}={_escaped(value)}" for name, value in settings)


def _escaped(value: str) -> str:
    """`value` as one word of `options`."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def backend(address: str, schema: str, row: Sequence[Any]) -> int:
    """The process id of the backend that `opening_query` has prepared.

    Raises:
        DatabaseError: names would be looked up elsewhere than in `schema`.
    """
    number, search_path, *_, current = row
    if search_path != schema:
        raise refusal(address, f"its search_path stays {search_path}")
    # Before the first migration there may be no `public`; that reports what is missing.
    if schema not in (current, "public"):
        raise refusal(
            address,
            f"the role may not use the schema {schema}: connect as the role that owns it, or "
            f"GRANT USAGE, CREATE ON SCHEMA {schema} TO that role",
        )
    return number
