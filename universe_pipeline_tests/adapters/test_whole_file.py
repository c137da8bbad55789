"""A file is written whole or not at all, for its owner, and replaces ordinary files only."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import BinaryIO

import pytest

from universe_pipeline.adapters.whole_file import OWNER_ONLY, replacing, require_ordinary
from universe_pipeline.domain.errors import UsageError


def device(path: Path) -> None:
    """A copy of /dev/null, which loses nothing when it is replaced by mistake."""
    if os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:  # may make sockets only
        os.mknod(path, stat.S_IFSOCK | 0o666)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def looping(path: Path) -> None:
    path.symlink_to(path.name)


def linked_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (device, "is not an ordinary file"),
        (os.mkfifo, "is not an ordinary file"),
        (linked_fifo, "is not an ordinary file"),
        (Path.mkdir, "is a folder"),
        (dangling, "is a link to nothing"),
        (looping, "is a link to nothing"),
    ],
)
def test_what_is_no_ordinary_file_is_refused_and_stays(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "out"
    make(path)
    before = path.lstat()

    with pytest.raises(UsageError, match=said), replacing(path):
        pytest.fail("nothing is to be written")

    assert path.lstat() == before
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        require_ordinary(tmp_path / "missing" / "out")


def test_it_has_the_permissions_that_are_asked_for_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o644)

    with replacing(path, OWNER_ONLY) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == OWNER_ONLY
        file.write(b"new")
        assert path.read_text() == "old"

    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", OWNER_ONLY)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    kept = tmp_path / "disk" / "kept"
    kept.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(kept)

    with replacing(link) as file:
        file.write(b"new")

    assert link.is_symlink()
    assert kept.read_text() == "new"
    assert list(kept.parent.iterdir()) == [kept]


def test_what_raises_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")

    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError), replacing(path) as file:
        half(file)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_several_at_once_do_not_share_a_file(tmp_path: Path) -> None:
    path, barrier = tmp_path / "out", Barrier(4)

    def write(letter: bytes) -> None:
        with replacing(path) as file:
            for _ in range(100):
                file.write(letter * 1000)
                file.flush()
            barrier.wait()

    threads = [Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(path.read_bytes()) == 100_000
    assert len(set(path.read_bytes())) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_what_was_there_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from universe_pipeline.adapters.whole_file import replacing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with replacing(Path('out')) as file: file.write(bytes(1_000_000))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert "File too large: 'out'" in ran.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)

    with replacing(path) as file:
        file.write(b"new")

    assert path.read_bytes() == b"new"
