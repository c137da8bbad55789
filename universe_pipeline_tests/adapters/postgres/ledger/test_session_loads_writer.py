"""Only one module writes `session_loads`."""

import re
from pathlib import Path

import pytest

import universe_pipeline

PACKAGE = Path(universe_pipeline.__file__).parent
WRITER = PACKAGE / "adapters/postgres/ledger/session_loads.py"
MIGRATIONS = PACKAGE / "adapters/postgres/migrations"

WRITES = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|COPY|TRUNCATE(?:\s+TABLE)?)"
    r"\s+(?:ONLY\s+)?(?:public\.)?\"?session_loads\b",
    re.IGNORECASE,
)


def test_no_other_module_writes_the_table():
    found = {path for path in PACKAGE.rglob("*.py") if WRITES.search(path.read_text())}

    assert {path for path in found if MIGRATIONS not in path.parents} == {WRITER}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO session_loads AS l (date)",
        "update public.session_loads set final = true",
        "DELETE\n    FROM session_loads",
        'TRUNCATE "session_loads"',
    ],
)
def test_every_statement_that_writes_is_found(statement: str):
    assert WRITES.search(statement)


def test_a_statement_that_reads_is_not():
    assert not WRITES.search("SELECT date FROM session_loads WHERE NOT covered FOR UPDATE")
