"""The option `--recorded FOLDER`: also test with data that others recorded."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option; the recorded tests are collected only with it."""
    parser.addoption(
        "--recorded",
        type=Path,
        metavar="FOLDER",
        help="decode the recorded vendor answers in FOLDER too, and judge its labelled findings",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the recorded tests out, rather than skip them, without `--recorded FOLDER`."""
    unasked = config.getoption("recorded", default=None) is None
    return True if unasked and collection_path.name.startswith("test_recorded") else None


@pytest.fixture
def recorded(pytestconfig: pytest.Config) -> Path:
    """The folder."""
    folder = pytestconfig.getoption("recorded")
    assert isinstance(folder, Path)
    return folder
