"""The Dagster instance that the command line, `universe up` and plain `dagster dev` share."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.whole_file import replacing
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration import storage
from universe_pipeline.orchestration.execution.instance_files import INSTANCE_FILE
from universe_pipeline.orchestration.internals.names import CheckError
from universe_pipeline.orchestration.internals.odd_folders import take_names_literally
from universe_pipeline.settings import Settings

DAGSTER_HEAD = "29b539ebc72a"  # pragma: allowlist secret
"""The newest step of the locked Dagster's own migrations; a test holds the two together.

Dagster would read its own files to know it, which every command would have to wait for.
"""

FILE = "dagster.yaml"
"""The name that Dagster gives its instance file."""

_LONGEST = 300
"""Characters of what Dagster says of its file, which may be its whole list of settings."""

_STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage")
_OURS = ("universe_pipeline", "search_path=dagster")
"""Names in a storage that is in our database: `UniverseStorage`, or Dagster's own in our schema."""


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's folder and its instance file, and name the folder to Dagster.

    Raises:
        UsageError: the folder cannot be used, or the instance file is broken or of another project.
    """
    file = instance_file(settings)
    if not os.path.lexists(file):
        write(file, INSTANCE_FILE)
    return use(file)


def instance_file(settings: Settings) -> Path:
    """The path of the instance file, in a folder that is there.

    Raises:
        UsageError: the folder cannot be used.
    """
    home = settings.effective_dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UsageError(
            f"Dagster's folder {home} cannot be used: {error.filename}: {error.strerror}. "
            "Let DAGSTER_HOME or UNIVERSE_HOME name another"
        ) from None
    return home / FILE


def write(file: Path, text: str) -> None:
    """Write an instance file: it names code that Dagster runs, so only its owner may change it."""
    with replacing(file, 0o644) as written:
        written.write(text.encode())


def use(file: Path) -> Path:
    """Name the folder of an instance file to Dagster; the folder.

    Raises:
        UsageError: the file is broken or of another project.
    """
    read(file)
    os.environ["DAGSTER_HOME"] = str(file.parent)  # Dagster reads it from nowhere else
    return file.parent


def read(file: Path) -> Mapping[str, object]:
    """The settings in an instance file.

    A file of another project is refused before Dagster makes the tables of the storage in it.

    Raises:
        UsageError: the file is broken or of another project.
    """
    contents = _contents(file)
    storages = " ".join(str(contents[name]) for name in _STORAGES if name in contents)
    if not any(name in storages for name in _OURS):
        raise UsageError(
            f"{file} is of another Dagster project: its storage is not this project's. Let "
            "DAGSTER_HOME name another folder, or leave it unset"
        )
    return contents


def _contents(file: Path) -> Mapping[str, object]:
    import yaml

    if file.exists() and not file.is_file():  # a FIFO would be read without end
        raise _broken(file, "is not an ordinary file")
    try:
        text = file.read_text(encoding="utf-8")
        contents: object = yaml.safe_load(text)
    except OSError as error:
        raise _broken(file, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _broken(file, "is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise _broken(file, f"is not YAML ({' '.join(str(error).split())})") from None
    if not text.strip():
        raise _broken(file, "is empty")
    if not isinstance(contents, dict):
        raise _broken(file, "holds no settings of Dagster")
    return cast("dict[str, object]", contents)


def _broken(file: Path, what: str) -> UsageError:
    return UsageError(f"{file} {what}: correct it, or remove it and it is written again")


@contextmanager
def _errors_of(file: Path) -> Generator[None]:
    """Let what Dagster says of its instance file be one line with the file's name."""
    try:
        yield
    except (dg.DagsterError, CheckError, ImportError) as wrong:
        lines = [line.strip() for line in str(wrong).splitlines()]
        said = next((line for line in lines if line.startswith("Error 1: ")), lines[0])
        raise _broken(file, f"is refused by Dagster: {said[:_LONGEST]}") from None


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance; its storage starts or joins the database, and is as this Dagster wants it.

    Raises:
        UsageError: as `prepare_home`, or Dagster refuses what the instance file says.
        DatabaseError: as `wiring.open_database`, or a newer Dagster has migrated its tables.
    """
    home = prepare_home(settings)
    take_names_literally()
    with _errors_of(home / FILE), storage.made_with(settings):
        instance = dg.DagsterInstance.get()
    database = wiring.database_as_it_is(settings)
    with schema.dagsters_migration(database, DAGSTER_HEAD) as outdated:
        if outdated:
            instance.upgrade()
    return instance


def is_of_one_host(instance: dg.DagsterInstance) -> bool:
    """Whether runs are processes of the code location's host, by Dagster's default launcher.

    Raises:
        UsageError: the launcher of the instance file cannot be used here.
        SettingsError: it lacks a setting.
    """
    try:
        return isinstance(instance.run_launcher, dg.DefaultRunLauncher)
    except (dg.DagsterError, CheckError, ImportError) as wrong:
        file = Path(instance.root_directory) / FILE
        said = " ".join(str(wrong).split())[:_LONGEST]
        raise UsageError(
            f"the run_launcher of {file} cannot be used here: {said}. Install the extra celery or "
            "kubernetes: pip install -r requirements-deploy.txt"
        ) from None


def migrate_dagster(settings: Settings) -> None:
    """Make Dagster's tables, or bring them to this release; Dagster's folder is not needed.

    Raises:
        DatabaseError: as `wiring.open_database`, or a newer Dagster has migrated its tables.
    """
    database = wiring.database_as_it_is(settings)
    with schema.dagsters_migration(database, DAGSTER_HEAD) as outdated:
        if outdated:
            _upgrade(settings)


def _upgrade(settings: Settings) -> None:
    with TemporaryDirectory() as home, storage.made_with(settings):
        (Path(home) / FILE).write_text(INSTANCE_FILE)
        with dg.DagsterInstance.from_config(home) as instance:
            instance.upgrade()
