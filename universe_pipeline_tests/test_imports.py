"""Importing the package changes nothing in the process; the entry points tune the loads."""

from universe_pipeline_tests.support.new_interpreter import printed

_ALL = """
import importlib, locale, logging, os, pkgutil, signal, sys, warnings
import universe_pipeline

def modules():
    found = pkgutil.walk_packages(universe_pipeline.__path__, "universe_pipeline.")
    programs = (".__main__", "migrations.env")  # which Python and Alembic run as scripts
    return [each.name for each in found if not each.name.endswith(programs)]
"""

CHANGES = f"""{_ALL}
# Libraries come first: what they change when they are imported is not ours.
import alembic, altair, dagster, dagster_postgres, dagster_webserver.cli, dotenv
import httpcore, httpx, isal, jinja2, msgspec, numpy, polars, psycopg, pydantic_settings
import rich.progress, sqlalchemy, typer, vl_convert

calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("ctypes.") else None)

def state():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    tasks = "/proc/self/task"
    return {{
        "environment": dict(os.environ),
        "warning filters": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "log handlers": [
            handler for each in loggers for handler in getattr(each, "handlers", ())
            if not isinstance(handler, logging.NullHandler)  # as libraries give themselves
        ],
        "log levels": {{each.name: each.level for each in loggers if getattr(each, "level", 0)}},
        "locale": locale.setlocale(locale.LC_ALL),
        "calls into C": list(calls),
        "threads": len(os.listdir(tasks)) if os.path.exists(tasks) else 0,
    }}

imported = modules()
assert "universe_pipeline.definitions" in imported, imported
before = state()
for name in imported:
    importlib.import_module(name)
    now = state()
    for what in now:
        if now[what] != before[what]:
            print(f"{{name}} changes the {{what}}")
    before = now
"""

WITHOUT_DAGSTER = f"""{_ALL}
KNOW_DAGSTER = ("definitions", "orchestration", "cli.")
for name in modules():
    if not name.removeprefix("universe_pipeline.").startswith(KNOW_DAGSTER):
        importlib.import_module(name)
import universe_pipeline.cli, universe_pipeline.cli.app
print(*(name for name in sys.modules if name.partition(".")[0].startswith("dagster")))
"""

WARNED = """
import dagster, dagster_postgres, warnings
warnings.simplefilter("error", dagster.BetaWarning)
warnings.simplefilter("error", dagster.PreviewWarning)
from universe_pipeline.definitions import defs
defs.get_repository_def()
"""

THREADS = "import polars; print(polars.thread_pool_size(), os.environ['MALLOC_ARENA_MAX'])"

COMMAND = f"""
import contextlib, os
from universe_pipeline.cli import main
with contextlib.suppress(SystemExit):
    main(["--version"])
{THREADS}
"""

RUN = f"""
import os, dagster
from universe_pipeline.orchestration.execution.instance import prepare_home
from universe_pipeline.settings import load_settings
prepare_home(load_settings())
# As in a process that Dagster starts for a run: the instance first, then the code location.
with dagster.DagsterInstance.get():
    import universe_pipeline.definitions
    {THREADS}
"""


def test_importing_any_module_changes_nothing_in_the_process() -> None:
    assert printed(CHANGES) == ""


def test_all_but_orchestration_and_its_commands_do_without_dagster() -> None:
    assert printed(WITHOUT_DAGSTER).split() == []


def test_the_code_location_loads_without_a_warning_of_betas() -> None:
    assert printed(WARNED) == ""


def test_a_command_loads_with_one_thread_of_polars_and_one_arena() -> None:
    assert printed(COMMAND).splitlines()[-1] == "1 1"


def test_a_run_of_dagster_loads_with_one_thread_of_polars_and_one_arena(
    environment: dict[str, str],
) -> None:
    assert printed(RUN, environment).splitlines() == ["1 1"]
