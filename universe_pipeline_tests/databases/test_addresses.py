"""The forms of an address: each one works for store and Dagster alike, or is a wrong setting."""

import os
from collections.abc import Generator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline_tests.adapters.postgres.connecting.test_address import REFUSED
from universe_pipeline_tests.databases.conftest import PasswordServer
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.embedded_homes import fresh_home

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-01")


@pytest.fixture(scope="module")
def port(password_server: PasswordServer) -> int:
    password_server.owned("quant", "se?cret", "market")
    return password_server.port


@pytest.mark.parametrize(
    "form",
    [
        "postgres://quant:se?cret@127.0.0.1:{port}/market",
        "postgresql+psycopg2://quant:se%3Fcret@127.0.0.1:{port}/market",
        "postgresql+psycopg://quant:se%3Fcret@127.0.0.1:{port}/market?sslmode=prefer",
        "postgresql://quant:se?cret@127.0.0.1:1,127.0.0.1:{port}/market",
        "postgresql:///market?host=127.0.0.1&port={port}&user=quant&password=se%3Fcret",
        "host=localhost hostaddr=127.0.0.1 port={port} dbname=market user=quant password=se?cret",
        "postgresql:///?service=market",
    ],
)
def test_every_form_of_an_address_loads_and_shows_the_same_database(
    command: Command, port: int, tmp_path: Path, form: str
) -> None:
    services = tmp_path / "services.conf"
    services.write_text(
        f"[market]\nhost=127.0.0.1\nport={port}\nuser=quant\npassword=se?cret\ndbname=market\n"
    )
    chosen = {"UNIVERSE_DATABASE_URL": form.format(port=port), "PGSERVICEFILE": str(services)}

    loaded = command(*LOAD, **chosen)
    examined = command("doctor", **chosen)
    printed = command("url", **chosen)

    assert (loaded.code, examined.code, printed.code) == (0, 0, 0), loaded.err + examined.out
    assert "se?cret" not in loaded.err + examined.out + examined.err
    assert printed.out.startswith("postgresql://")
    os.environ.pop("PGSERVICEFILE", None)


@pytest.fixture(scope="module")
def socket() -> Generator[str]:
    """The socket folder of an embedded server."""
    with fresh_home() as home, attachment.attach(home, linger=1.0) as server:
        (folder,) = parse_qs(urlsplit(server.url).query)["host"]
        yield folder
        server.detach()
        attachment.stop(home)


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://universe@{quoted}/universe",
        "postgresql://universe@/universe?host={folder}",
        "host={folder} user=universe dbname=universe",
    ],
)
def test_a_socket_folder_may_stand_wherever_libpq_takes_it(
    command: Command, socket: str, form: str
) -> None:
    chosen = {"UNIVERSE_DATABASE_URL": form.format(quoted=quote(socket, safe=""), folder=socket)}

    ended = command(*LOAD, **chosen)

    assert ended.code == 0, ended.err


COMMANDS = (LOAD, *((each,) for each in ("status", "doctor", "url", "psql", "up", "verify")))


@pytest.mark.parametrize("address", [one for one in REFUSED if "\udcff" not in one])
def test_an_address_that_cannot_be_used_is_a_wrong_setting_of_every_command(
    command: Command, address: str
) -> None:
    for arguments in COMMANDS:
        ended = command(*arguments, UNIVERSE_DATABASE_URL=address)

        assert (ended.code, ended.out) == (2, ""), arguments
        (line,) = ended.err.splitlines()
        assert line.startswith("universe: UNIVERSE_DATABASE_URL=(hidden) in the environment is not")
        assert REFUSED[address] in line
        assert "sesame" not in line
