"""The environment around a command: certificates, proxies and `.env`, in the real command line."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from universe_pipeline_tests.conftest import Universe

DAY = "2024-07-09"
HTTPS = {"POLYGON_BASE_URL": "https://vendor.example"}
WRONG = {
    "SSL_CERT_FILE": "/missing/file",
    "SSL_CERT_DIR": "/missing/folder",
    "SSLKEYLOGFILE": "/missing/folder/log",
    "HTTPS_PROXY": "socks5://me:pass-word@proxy.example",
    "https_proxy": "http://[::1",
    "ALL_PROXY": "ftp://proxy.example",
}
LOAD = ("historical", "--start", DAY, "--end", DAY)
ASKING = [
    LOAD,
    ("daily",),
    ("retry",),
    ("repair", "--symbols", "AAPL", "--start", DAY, "--end", DAY),
    ("doctor",),
]


@pytest.fixture
def proxy() -> Iterator[str]:
    """The address of a proxy that asks for a login."""

    def answer(served: socket.socket) -> None:
        with served, served.makefile("rb") as asked:
            asked.readline()
            served.sendall(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")

    def serve() -> None:
        while True:
            try:
                answer(listening.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_command_that_asks_the_vendor_names_a_wrong_variable(
    universe: Universe, command: tuple[str, ...]
) -> None:
    name = "SSL_CERT_FILE"

    ended = universe(*command, env=HTTPS | {name: WRONG[name]})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"universe: {name}='/missing/file' in the environment is not usable: ")


def test_nothing_is_begun_before_the_environment_is_looked_at(universe: Universe) -> None:
    universe(*LOAD, env=HTTPS | {"SSL_CERT_FILE": WRONG["SSL_CERT_FILE"]})

    assert "none asked for yet" in universe("status").stdout


@pytest.mark.parametrize("name", sorted(WRONG))
def test_each_wrong_variable_is_named(universe: Universe, name: str) -> None:
    ended = universe(*LOAD, env=HTTPS | {name: WRONG[name]})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert name in line
    assert "pass-word" not in line


def test_a_proxy_that_asks_for_a_login_is_named_at_once(universe: Universe, proxy: str) -> None:
    ended = universe(*LOAD, env=HTTPS | {"HTTPS_PROXY": f"http://me:pass-word@{proxy}"})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"universe: the proxy {proxy} (HTTPS_PROXY) takes no other login")
    assert "pass-word" not in line


@pytest.mark.parametrize("command", [("status",), ("url",)], ids=" ".join)
def test_a_command_that_asks_nothing_needs_neither_certificate_nor_proxy(
    universe: Universe, command: tuple[str, ...]
) -> None:
    ended = universe(*command, env=HTTPS | WRONG)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_vendor_on_loopback_needs_neither_certificate_nor_proxy(universe: Universe) -> None:
    ended = universe(*LOAD, env=WRONG)

    assert ended.returncode == 0, ended.stderr


def test_an_env_file_of_another_encoding_ends_a_command_in_one_line(
    universe: Universe, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=INFO\n", encoding="utf-16")

    ended = universe("status")

    assert ended.returncode == 2
    assert ended.stderr == f"universe: {tmp_path}/.env is UTF-16 text or binary: save it as UTF-8\n"
