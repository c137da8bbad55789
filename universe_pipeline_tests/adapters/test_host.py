"""This machine's name, as others see it."""

import socket

import pytest

from universe_pipeline.adapters.host import MOST, host_name


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("loader.example.com", "loader"),
        ("", "?"),
        ("böse welt", "b?se?welt"),
        ("a" * MOST, "a" * MOST),
        ("dagster-run-0123456789-abcde", "dagster-run~456789-abcde"),
    ],
)
def test_a_name_is_short_and_plain(full: str, short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: full)

    assert host_name() == short


def test_names_of_pods_that_end_otherwise_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    for end in ("x7k2p", "q9m4z"):
        pod = f"universe-pipeline-daemon-6c9f-{end}"
        monkeypatch.setattr(socket, "gethostname", lambda pod=pod: pod)
        names.append(host_name())

    assert names[0] != names[1]
    assert max(map(len, names)) == MOST
