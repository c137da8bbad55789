"""The commands of `universe` and their options; each one's work is imported when it is called."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date
from enum import StrEnum
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, Protocol, TypeAlias, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from universe_pipeline.adapters import json_log, machine
from universe_pipeline.cli.exits import DONE, FAILED, INTERRUPTED, WRONG_USAGE
from universe_pipeline.domain.errors import UniverseError, UsageError
from universe_pipeline.domain.foreign_text import read_symbol, visible, visible_lines

if TYPE_CHECKING:
    from universe_pipeline.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

GROUPS = {
    "Start": ("demo", "doctor"),
    "Load": ("discover", "historical", "daily", "resume"),
    "Look": ("status", "verify", "listings", "report", "errors", "metrics", "url", "psql"),
    "Repair": ("retry", "repair", "approve", "actions", "clear-checkpoint"),
    "Run": ("up", "init", "migrate", "worker", "backup", "restore", "prune", "grant"),
}
"""The commands as `--help` lists them: by what they are for, a newcomer's first."""


_Context: TypeAlias = Any
"""The class that typer's own methods take is private."""


class _Formatter(Protocol):
    """As much of typer's, which is private, as a list of commands needs."""

    def section(self, name: str) -> AbstractContextManager[None]: ...
    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class _Grouped(TyperGroup):
    """Lists its commands by `GROUPS`, each with the first line of its help, whole."""

    def list_commands(self, ctx: _Context) -> list[str]:
        known = [name for names in GROUPS.values() for name in names]
        return sorted(super().list_commands(ctx), key=known.index)

    def format_commands(self, ctx: _Context, formatter: _Formatter) -> None:
        names = self.list_commands(ctx)
        width = max(map(len, names))
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self._text(name)) for name in group])

    def _text(self, name: str) -> str:
        return (self.commands[name].help or "").partition("\n")[0]


app = typer.Typer(
    name="universe",
    cls=_Grouped,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day of the form YYYY-MM-DD") from None


def _symbol_list(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise typer.BadParameter("--symbols names no symbol: give some, like AAPL,BRK.B")
    return list(dict.fromkeys(map(_symbol, words)))


def _symbol(word: str) -> str:
    try:
        return read_symbol(word)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from universe_pipeline.adapters.postgres.schema import HEAD

        typer.echo(f"universe {version('universe-pipeline')}, schema {HEAD}")
        raise typer.Exit


@app.callback()
def set_up(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001  # its callback prints it
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show release and schema."
        ),
    ] = False,
) -> None:
    """Daily bars of all US stocks, in your own PostgreSQL.

    `universe COMMAND -h` shows a command's options and an example.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(WRONG_USAGE)


class _Logged(TyperCommand):
    """Reads the settings once the command line is understood: `--help` needs none."""

    def invoke(self, ctx: _Context) -> object:
        from universe_pipeline.cli.terminal import logging_set_up
        from universe_pipeline.settings import load_settings

        with logging_set_up():  # first: odd names of settings are logged
            ctx.obj = load_settings()
            if ctx.obj.log_format == "json":
                json_log.write_json()
        logging.getLogger("universe_pipeline").setLevel(ctx.obj.log_level)
        return super().invoke(ctx)


class Call(typer.Context):
    """The context that typer gives to a command, with what `_Logged` puts into it."""

    obj: "Settings"


def command(example: str, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a command; its help ends with the example."""
    return app.command(cls=_Logged, epilog=f"Example: universe {example}", **options)


@command("discover --force-refresh")
def discover(
    context: Call,
    *,
    force_refresh: Annotated[
        bool, typer.Option(help="Ask also for what is younger than 24 hours.")
    ] = False,
) -> int:
    """Ask for the lists: symbols, splits and dividends.

    Symbols are the active and the delisted ones. Lists younger than 24 hours are used again.
    The history of dividends is asked for once; ctrl-C keeps what has come of it.
    """
    from universe_pipeline.cli.load import discover_universe
    from universe_pipeline.domain.datasets import WHOLE_LISTS

    return discover_universe(context.obj, force=WHOLE_LISTS if force_refresh else ())


@command("historical --start 2024-01-02 --end 2024-12-31")
def historical(
    context: Call,
    *,
    start: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day.")],
    end: Annotated[
        date | None,
        typer.Option(
            parser=_day, metavar="YYYY-MM-DD", help="Last day; default: the newest session."
        ),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these symbols (case-sensitive).")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most rows in one encoded buffer.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1_000, help="Most requests in flight.")
    ] = None,
    reload: Annotated[bool, typer.Option(help="Fetch loaded sessions again.")] = False,
    launch: Annotated[
        bool, typer.Option(help="Let Dagster's launcher load it, and follow that.")
    ] = False,
) -> int:
    """Load the sessions of a range.

    Those that are loaded are not fetched again, so the same command goes on after an interruption.
    With --reload they are, and what differs is written.
    """
    if launch:
        if (symbols, batch_size, concurrency) != (None, None, None):
            raise typer.BadParameter(
                "--launch takes --start, --end and --reload: it loads whole sessions, by the "
                "settings of the hosts that execute the runs"
            )
        from universe_pipeline.cli import launch as launched

        return launched.historical_range(context.obj, start, end, reload=reload)
    from universe_pipeline.cli import load, symbol_loads

    settings = load.tuned(context.obj, batch_size=batch_size, concurrency=concurrency)
    if symbols is not None:
        return symbol_loads.load_range(settings, _symbol_list(symbols), start, end, again=reload)
    return load.historical_range(settings, start, end, reload=reload)


@command("daily")
def daily(
    context: Call,
    *,
    date: Annotated[
        date | None,
        typer.Option(
            parser=_day, metavar="YYYY-MM-DD", help="A closed session; default: the newest."
        ),
    ] = None,
) -> int:
    """Load the newest session, and see to those before.

    The vendor still corrects the last sessions: they are fetched again.
    """
    from universe_pipeline.cli.load import daily_update

    return daily_update(context.obj, date)


@command("status --json")
def status(
    context: Call,
    *,
    json: Json = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what needs a person; exit code 1 if any.")
    ] = False,
) -> int:
    """Show what is loaded, and what is open.

    Jobs, sessions, coverage, open errors and the pace.
    """
    if check:
        from universe_pipeline.cli.check import check_conditions

        return check_conditions(context.obj)
    from universe_pipeline.cli.status import show

    return show(context.obj, as_json=json)


@command("resume")
def resume(
    context: Call, job: Annotated[str | None, typer.Argument(help="Only this job.")] = None
) -> int:
    """Go on with failed and interrupted jobs."""
    from universe_pipeline.cli.recovery import resume

    return resume(context.obj, job)


@command("clear-checkpoint historical_load_2024-01-02_2024-12-31")
def clear_checkpoint(
    context: Call,
    job: Annotated[str, typer.Argument(help="As `universe status` names it.")],
) -> int:
    """Let a job fetch its whole range again.

    By its next run. Bars stay readable meanwhile.
    """
    from universe_pipeline.cli.recovery import clear_checkpoint

    return clear_checkpoint(context.obj, job)


@command("errors")
def errors(context: Call, *, json: Json = False) -> int:
    """Show the requests that failed and are open.

    They are the open rows of data_fetch_errors; `universe retry` asks again.
    """
    from universe_pipeline.cli.status import show_errors

    return show_errors(context.obj, as_json=json)


@command("retry")
def retry(context: Call) -> int:
    """Fetch again what has an open error."""
    from universe_pipeline.cli.recovery import retry

    return retry(context.obj)


@command("repair --symbols AAPL --start 2024-01-02 --end 2024-01-31")
def repair(
    context: Call,
    *,
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Symbols (case-sensitive).")],
    start: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day.")],
    end: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Last day.")],
) -> int:
    """Fetch chosen symbols again.

    By the vendor's per-symbol endpoint, one request for a symbol's whole range.
    """
    from universe_pipeline.cli.symbol_loads import repair

    return repair(context.obj, _symbol_list(symbols), start, end)


@command("verify --sample-size 5")
def verify(
    context: Call,
    *,
    sample_size: Annotated[
        int, typer.Option(min=0, help="Symbols to compare with the vendor's bars.")
    ] = 0,
    start: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the first one asked for."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the last one asked for."),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="List the rules that hold, too.")] = False,  # noqa: A002  # the option's name
    json: Json = False,
) -> int:
    """Check what was asked for by every quality rule.

    The exit code is 1 if a rule of level ERROR is broken.
    """
    from universe_pipeline.cli.verify import verify

    return verify(context.obj, (start, end), sample_size, as_json=json, every_rule=all)


@command('listings join FB META --reason "renamed on 2022-06-09"')
def listings(
    context: Call,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SYMBOL | join A B | split SYMBOL DATE]", help="Default: all."),
    ] = None,
    *,
    unknown: Annotated[bool, typer.Option(help="Only those that nothing ties together.")] = False,
    anchors: Annotated[bool, typer.Option(help="Ask for a list of past tickers a month.")] = False,
    start: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Of the lists: first day."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Of the lists: last day."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of join and split: why.")
    ] = None,
    json: Json = False,
) -> int:
    """Show which security a symbol meant when.

    `join A B` says that two are one security; `split SYMBOL DATE`, that another one begins there.
    A symbol with several holders takes a day: META@2022-06-09.
    """
    from universe_pipeline.cli import listings

    match words or []:
        case ["join", left, right] if reason is not None:
            return listings.join(context.obj, left, right, reason)
        case ["split", symbol, day] if reason is not None:
            return listings.split(context.obj, _symbol(symbol), _day(day), reason)
        case ["join", _, _] | ["split", _, _]:
            raise typer.BadParameter("--reason is missing: say why")
        case [] if anchors:
            return listings.fetch_anchors(context.obj, start, end)
        case [] | [_] as given:
            symbol = _symbol(given[0]) if given else None
            return listings.show(context.obj, symbol, unknown=unknown, as_json=json)
        case _:
            raise typer.BadParameter("give a SYMBOL, join A B, or split SYMBOL DATE")


@command("report --output report.html")
def report(
    context: Call,
    *,
    output: Annotated[
        Path, typer.Option(metavar="PATH", help="The file to write, or to replace.")
    ] = Path("report.html"),
    start: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the first stored session."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the last stored session."),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The page that the newest verification made.")
    ] = False,
) -> int:
    """Write one page about all that is stored.

    What is loaded, what the rules find, and what repairs it: for any browser.
    """
    from universe_pipeline.cli.report import last_report, report

    if last and (start or end):
        raise typer.BadParameter("--last is the page of all that is stored: leave out the range")
    return last_report(context.obj, output) if last else report(context.obj, output, start, end)


@command('approve 2024-07-01 --reason "checked by hand"')
def approve(
    context: Call,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="WHAT", help="DATE of a session, symbols, splits, dividends, or a SYMBOL."
        ),
    ] = None,
    *,
    symbol: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Any symbol, instead of WHAT.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is right as it is.")],
) -> int:
    """Accept what was quarantined or refused."""
    from universe_pipeline.cli.approve import approve, approve_one_symbol

    if what is not None and symbol is None:
        # No ticker of a US stock begins with a digit.
        return approve(context.obj, _day(what) if what[:1].isdigit() else what, reason)
    if symbol is not None and what is None:
        return approve_one_symbol(context.obj, _symbol(symbol), reason)
    raise typer.BadParameter("give either WHAT (a DATE, a list, or a SYMBOL) or --symbol")


@command('actions add GE 2021-08-02 --split 8:1 --reason "filing"')
def actions(
    context: Call,
    verb: Annotated[
        str | None, typer.Argument(metavar="add|remove", help="What to do; default: show.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Argument(metavar="SYMBOL", help="Under which it is listed.")
    ] = None,
    day: Annotated[
        date | None,
        typer.Argument(parser=_day, metavar="DATE", help="Execution date or ex-date."),
    ] = None,
    *,
    split: Annotated[
        str | None, typer.Option(metavar="FROM:TO", help="Add: 1:4 makes 4 new shares of one.")
    ] = None,
    dividend: Annotated[
        float | None, typer.Option(metavar="CASH", help="Add: USD a share, of that day's.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Remove: split or dividend.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why you know it; it is kept.")
    ] = None,
    json: Json = False,
) -> int:
    """Show doubtful splits and dividends, or mend one.

    Prices say which are right; each is applied as its verdict says. Yours outrank the vendor's.
    """
    from universe_pipeline.cli import actions

    if verb is None:
        return actions.show(context.obj, as_json=json)
    if symbol is None or day is None or verb not in ("add", "remove"):
        raise typer.BadParameter(
            "give add or remove, SYMBOL and DATE, like: add GOOGL 2014-04-03 --split 1:2.002"
            " --reason TEXT"
        )
    name = _symbol(symbol)
    if verb == "add":
        return actions.add(context.obj, name, day, reason, split=split, dividend=dividend)
    return actions.remove(context.obj, name, day, reason, kind)


@command("up --port 3001")
def up(
    context: Call,
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> int:
    """Run database and Dagster until ctrl-C.

    Dagster's UI, and its daemon with the schedules.
    """
    from universe_pipeline.cli.up import serve

    return serve(context.obj, port)


@command("demo --sessions 60 --serve")
def demo(
    context: Call,
    *,
    sessions: Annotated[int, typer.Option(min=1, max=2000, help="Newest sessions to load.")] = 25,
    serve: Annotated[bool, typer.Option(help="Leave the Dagster UI up with the data.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> int:
    """Try everything: a simulated vendor, no key.

    It has a database of its own below UNIVERSE_HOME, made again each time.
    """
    from universe_pipeline.cli.demo import run

    return run(context.obj, sessions, port=port, serve=serve)


@command("doctor")
def doctor(context: Call) -> int:
    """Check key, plan, pace, database and disk.

    And say how long a full load takes, and how much room.
    """
    from universe_pipeline.cli.doctor import examine

    return examine(context.obj)


@command("metrics --textfile /var/lib/node_exporter/universe.prom")
def metrics(
    context: Call,
    *,
    textfile: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a file for node_exporter.")
    ] = None,
    serve: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Answer until ctrl-C.")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="With --serve: where to listen.")
    ] = "127.0.0.1",
) -> int:
    """Show figures of the database for Prometheus.

    Print them, write them to a file, or answer with them on a port.
    """
    from universe_pipeline.cli import metrics

    if textfile is not None and serve is not None:
        raise typer.BadParameter("give either --textfile or --serve")
    if textfile is not None:
        return metrics.write(context.obj, textfile)
    if serve is not None:
        return metrics.serve(context.obj, host, serve)
    return metrics.show(context.obj)


@command("url")
def url(
    context: Call,
    *,
    tcp: Annotated[
        bool,
        typer.Option("--tcp", help="On UNIVERSE_PORT, for a role that reads."),
    ] = False,
) -> int:
    """Print the database's address.

    For any program of this machine that speaks PostgreSQL.
    """
    from universe_pipeline.cli.database import print_loopback_url, print_url

    return print_loopback_url(context.obj) if tcp else print_url(context.obj)


@command(
    'psql -c "SELECT count(*) FROM universe_bars"',
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def psql(context: Call) -> int:
    """Open psql on the database.

    Further arguments go to psql.
    """
    from universe_pipeline.cli.database import open_psql

    return open_psql(context.obj, context.args)


@command("init --celery --runs 4")
def init(
    context: Call,
    *,
    celery: Annotated[bool, typer.Option("--celery", help="Runs go to `universe worker`.")] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Each run has a pod of its own.")
    ] = False,
    runs: Annotated[
        int, typer.Option(min=1, max=1_000, help="Most runs at a time over all hosts.")
    ] = 2,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write a file that differs again.")
    ] = False,
) -> int:
    """Write dagster.yaml, or say what differs in it.

    Without --celery and --kubernetes for one host, as every loading command does. The exit code is
    1 if a file differs and stays.
    """
    from universe_pipeline.cli.init import init
    from universe_pipeline.orchestration.execution.instance_files import Launcher

    if celery and kubernetes:
        raise typer.BadParameter("give --celery or --kubernetes, not both")
    launcher = Launcher.CELERY if celery else Launcher.ONE_HOST
    launcher = Launcher.KUBERNETES if kubernetes else launcher
    return init(context.obj, launcher, runs, replace=replace)


@command("migrate")
def migrate(context: Call) -> int:
    """Bring the database to this release.

    Our tables and Dagster's, before any other process starts. Without either it makes them.
    """
    from universe_pipeline.cli.migrate import migrate

    return migrate(context.obj)


@command("worker --slots 2")
def worker(
    context: Call,
    *,
    slots: Annotated[int, typer.Option(min=1, max=1_000, help="Most runs at a time.")] = 1,
) -> int:
    """Execute runs that Dagster launches by Celery.

    On any host that reaches the database and the broker. ctrl-C ends it after the runs at work.
    """
    from universe_pipeline.cli.worker import work

    work(context.obj, slots)


@command("backup universe.dump")
def backup(
    context: Call,
    file: Annotated[Path, typer.Argument(help="A new file, or one to replace.")],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore that file on trial, and compare.")
    ] = False,
) -> int:
    """Write the whole database into a file.

    With Dagster's tables. Loads go on meanwhile. With --verify the file is read, not written: it
    is restored into a scratch server below UNIVERSE_HOME, and each table compared with what the
    file states.
    """
    from universe_pipeline.cli import backup

    return backup.verify_backup(context.obj, file) if verify else backup.back_up(context.obj, file)


@command("restore universe.dump")
def restore(
    context: Call,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `backup`.")],
) -> int:
    """Fill a database without tables from a backup."""
    from universe_pipeline.cli.backup import restore

    return restore(context.obj, file)


@command("prune --dry-run")
def prune(
    context: Call,
    *,
    older_than: Annotated[
        int, typer.Option(min=1, max=36_500, metavar="DAYS", help="Keep what is younger.")
    ] = 365,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing, and count what would go.")
    ] = False,
) -> int:
    """Delete Dagster's old events, and closed errors.

    Events that only the page of an old run shows; resolved errors; refused answers that were
    approved and stored. Runs, partitions, results of checks, revisions and what is open stay.
    """
    from universe_pipeline.cli.prune import prune

    return prune(context.obj, older_than, dry_run=dry_run)


class Rights(StrEnum):
    """What a role may be for."""

    LOADER = "loader"
    READER = "reader"


@command("grant loader evening")
def grant(
    context: Call,
    to: Annotated[Rights, typer.Argument(help="What the role is for.")],
    role: Annotated[str, typer.Argument(help="A role of the server; made if it does not exist.")],
) -> int:
    """Give a role the rights to load, or to read.

    Run it as the role that owns the tables. It makes the quarters that are still to come, since a
    loader may make no table.
    """
    from universe_pipeline.cli.grant import grant

    return grant(context.obj, to.value, role)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code: 0, 1 failures, 2 wrong usage, 130 interrupted."""
    machine.tune_for_loading()
    machine.collect_no_imports()
    code = run(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: another ctrl-C needs no traceback
    _flush_or_give_up()
    machine.keep_what_is_imported()  # the end would look at it again, for half a second
    if code == DONE and isinstance(_lost_output(), BrokenPipeError):  # as any program under `head`
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)
    sys.exit(code)


def _flush_or_give_up() -> None:
    """Let Python's end not change the exit code, as it does where it cannot write what is left."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it is closed
        try:
            stream.flush()
        except OSError:
            from universe_pipeline.cli.terminal import give_up

            give_up(stream)


def run(arguments: Sequence[str]) -> int:
    """Run a command; every deliberate error becomes one clear line on stderr."""
    # Some files of UNIVERSE_HOME name code that is run: only their owner may change any of them.
    os.umask(os.umask(0o022) | 0o022)
    program = typer.main.get_command(app)
    try:
        code = program.main(list(arguments), prog_name="universe", standalone_mode=False)
    except (typer.TyperException, UsageError) as wrong:
        return _print_error(wrong, WRONG_USAGE)
    except UniverseError as error:
        return _print_error(error, INTERRUPTED if _is_after_interrupt(error) else FAILED)
    except OSError as error:  # a folder that cannot be written, a full disk
        if error.filename is not None:
            return _print_error(UniverseError(f"{error.filename}: {error.strerror}"), FAILED)
        if error.errno != ENOSPC:
            raise
        from universe_pipeline.cli.terminal import give_up

        give_up(sys.stdout)
        return _print_error(
            UniverseError(f"the result cannot be written: {error.strerror}"), FAILED
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        _say("interrupted; what is committed is kept, the same command goes on")
    return _code_of_output(code if isinstance(code, int) else DONE)


def _code_of_output(code: int) -> int:
    """`code`, or that of a failure where results were lost; a pipe that was closed wants none."""
    lost = _lost_output()
    if lost is None or isinstance(lost, BrokenPipeError):
        return code
    _say(f"the result cannot be written: {lost.strerror}")
    return code or FAILED


def _lost_output() -> OSError | None:
    terminal = sys.modules.get("universe_pipeline.cli.terminal")
    return None if terminal is None else terminal.lost_output()


def _is_after_interrupt(error: BaseException | None) -> bool:
    """Whether the command was ending by an interrupt when `error` came: a database was silent."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _print_error(error: Exception, code: int) -> int:
    is_about_arguments = isinstance(error, typer.TyperException)
    text = visible(error.format_message()) if is_about_arguments else visible_lines(str(error))
    for line in text.split("\n"):
        _say(line)
    return code


def _say(line: str) -> None:
    with suppress(OSError):  # stderr may be on a full disk: the exit code says it, too
        typer.echo(json_log.as_line(f"universe: {line}", logging.ERROR), err=True)
