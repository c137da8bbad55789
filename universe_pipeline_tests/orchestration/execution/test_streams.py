"""stdout and stderr of a process whose run could not write its logs."""

import os
from errno import ENOSPC
from pathlib import Path

import pytest

from universe_pipeline.domain.errors import UniverseError
from universe_pipeline.orchestration.execution.streams import restored


def test_they_are_what_they_were_after_a_full_disk_and_the_folder_is_named(tmp_path: Path) -> None:
    before = [os.fstat(descriptor).st_ino for descriptor in (1, 2)]
    with pytest.raises(UniverseError, match=f"in {tmp_path}: No space left on device; make room"):
        fill_disk_of_logs(tmp_path)

    assert [os.fstat(descriptor).st_ino for descriptor in (1, 2)] == before


def fill_disk_of_logs(folder: Path) -> None:
    """As Dagster does that cannot write what it has redirected."""
    with restored(str(folder)), (folder / "log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        raise OSError(ENOSPC, "No space left on device")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), restored(str(tmp_path)):
        raise PermissionError
