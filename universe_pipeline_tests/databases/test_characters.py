"""Every character that can be typed, in user, password and name of a database, in every command."""

import os
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import make_conninfo

from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.databases.conftest import PasswordServer, as_identifier
from universe_pipeline_tests.support.command_in_process import Command

PRINTABLE = string.printable[:95]
assert set(PRINTABLE) == set(map(chr, range(32, 127)))

HALVES = [PRINTABLE[:48], PRINTABLE[48:]]
"""A name has at most 63 bytes."""
UNICODE = "Zoë-Ωμέγα-東京-🔑"

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-02")


def as_url(user: str, password: str, port: int, name: str) -> str:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{login}@127.0.0.1:{port}/{quote(name, safe='')}"


def as_pairs(user: str, password: str, port: int, name: str) -> str:
    return make_conninfo("", user=user, password=password, host="127.0.0.1", port=port, dbname=name)


@pytest.mark.parametrize(
    ("name", "write"),
    [(HALVES[0], as_url), (HALVES[1], as_pairs), (HALVES[1], as_url), (UNICODE, as_url)],
)
def test_every_command_works_whatever_characters_names_and_password_have(
    password_server: PasswordServer, command: Command, universe: Universe, tmp_path: Path,
    name: str, write: Callable[[str, str, int, str], str],
) -> None:  # fmt: skip
    way = write.__name__[-1]
    user, password = f"{name[5:]}{name[:5]}{way}", f"{PRINTABLE}{UNICODE}"
    first, second = f"{name}1{way}", f"{name}2{way}"
    password_server.owned(user, password, first)
    password_server.execute(f"CREATE DATABASE {as_identifier(second)} OWNER {as_identifier(user)}")
    url = write(user, password, password_server.port, first)
    other = write(user, password, password_server.port, second)
    dump = str(tmp_path / "universe.dump")

    ended = {
        "load": command(*LOAD, UNIVERSE_DATABASE_URL=url),
        "status": command("status", UNIVERSE_DATABASE_URL=url),
        "doctor": command("doctor", UNIVERSE_DATABASE_URL=url),
        "verify": command("verify", UNIVERSE_DATABASE_URL=url),
        "backup": command("backup", dump, UNIVERSE_DATABASE_URL=url),
        "restore": command("restore", dump, UNIVERSE_DATABASE_URL=other),
        "url": command("url", UNIVERSE_DATABASE_URL=other),
    }
    asked = universe(
        "psql", "-At", "-c", "SELECT current_database(), current_user, count(*) FROM session_loads",
        env={"UNIVERSE_DATABASE_URL": ended["url"].out.strip()},
    )  # fmt: skip

    assert {name: one.code for name, one in ended.items()} == dict.fromkeys(ended, 0)
    assert asked.stdout == f"{second}|{user}|2\n", asked.stderr
    assert password not in "".join(one.out + one.err for one in ended.values())


def test_the_code_location_works_with_such_an_address(
    password_server: PasswordServer, environment: dict[str, str], tmp_path: Path
) -> None:
    user, name = f"{HALVES[0]}-d", f"{HALVES[1]}-d"
    password_server.owned(user, PRINTABLE, name)
    url = as_url(user, PRINTABLE, password_server.port, name)
    home = tmp_path / "universe" / "dagster"
    stored = (
        "import dagster as dg; from universe_pipeline.definitions import defs;"
        "from universe_pipeline.orchestration.execution.instance import open_instance;"
        "from universe_pipeline.settings import load_settings;"
        "print(open_instance(load_settings()).get_runs_count(),"
        " defs.resolve_job_def('daily_update').name)"
    )

    seen = subprocess.run(
        [sys.executable, "-c", stored],
        env={**environment, "UNIVERSE_DATABASE_URL": url},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (seen.returncode, seen.stdout) == (0, "0 daily_update\n"), seen.stderr
    assert "postgresql" not in (home / "dagster.yaml").read_text()


def test_a_secret_of_another_kind_than_the_password_is_in_no_process_list(
    universe: Universe, environment: dict[str, str]
) -> None:
    url = environment["UNIVERSE_DATABASE_URL"]
    glue = "&" if "?" in url else "?"
    shell = r"\! tr '\0' ' ' </proc/$PPID/cmdline; echo; cat $PGSERVICEFILE"

    ended = universe(
        "psql", "-c", shell, env={"UNIVERSE_DATABASE_URL": f"{url}{glue}sslpassword=open%20sesame"}
    )

    arguments, *service = ended.stdout.splitlines()
    assert "service=universe" in arguments
    assert "sesame" not in arguments
    assert service == ["[universe]", "sslpassword=open sesame"]
    assert os.environ.get("PGSERVICEFILE") is None
