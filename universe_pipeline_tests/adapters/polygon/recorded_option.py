"""The option `--recorded FOLDER`: also decode answers that the live vendor gave to others."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option; the recorded tests are collected only with it."""
    parser.addoption(
        "--recorded",
        type=Path,
        metavar="FOLDER",
        help="decode the recorded vendor answers in FOLDER too",
    )
