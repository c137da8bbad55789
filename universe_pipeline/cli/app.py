"""The commands of `universe` and their options; each one's work is imported when it is called."""

import gc
import signal
import sys
from collections.abc import Sequence
from datetime import date
from errno import ENOSPC
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer._click.core import Context
from typer._click.exceptions import ClickException, NoArgsIsHelpError  # typer's own, not click's
from typer.core import TyperCommand

from universe_pipeline.cli.exits import DONE, FAILED, INTERRUPTED, WRONG_USAGE
from universe_pipeline.domain.errors import UniverseError, UsageError

app = typer.Typer(
    name="universe",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day of the form YYYY-MM-DD") from None


def _symbol_list(text: str) -> list[str]:
    found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not found:
        raise typer.BadParameter("name at least one symbol, like AAPL,BRK.B")
    return found


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback()
def set_up() -> None:
    """The whole universe of US stocks, daily, in PostgreSQL: loaded and kept right."""


class _Logged(TyperCommand):
    """Reads the settings once the command line is understood: `--help` needs none."""

    def invoke(self, ctx: Context) -> object:
        from universe_pipeline.cli.terminal import set_up_logging

        set_up_logging()
        return super().invoke(ctx)


command = partial(app.command, cls=_Logged)


@command()
def discover(
    *,
    force_refresh: Annotated[
        bool, typer.Option(help="Ask the vendor also for what is younger than 24 hours.")
    ] = False,
) -> int:
    """Discover the universe of symbols, active and delisted, and ask for the splits."""
    from universe_pipeline.cli.load import LISTS, discover_universe

    return discover_universe(force=LISTS if force_refresh else ())


@command()
def historical(
    *,
    start: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day.")],
    end: Annotated[
        date | None,
        typer.Option(
            parser=_day, metavar="YYYY-MM-DD", help="Last day; default: the newest closed session."
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
    reload: Annotated[
        bool, typer.Option(help="Fetch loaded sessions again; write only what differs.")
    ] = False,
) -> int:
    """Load every session of a range that is not loaded yet."""
    from universe_pipeline.cli import load, symbol_loads

    load.tune(batch_size=batch_size, concurrency=concurrency)
    if symbols is not None:
        return symbol_loads.load_range(_symbol_list(symbols), start, end, again=reload)
    return load.historical_range(start, end, reload=reload)


@command()
def daily(
    *,
    date: Annotated[
        date | None,
        typer.Option(
            parser=_day, metavar="YYYY-MM-DD", help="A closed session; default: the newest one."
        ),
    ] = None,
) -> int:
    """Load the newest closed session, and fetch the trailing ones again."""
    from universe_pipeline.cli.load import daily_update

    return daily_update(date)


@command()
def status(*, json: Json = False) -> int:
    """Show jobs, sessions, coverage, open errors and the pace."""
    from universe_pipeline.cli.status import show

    return show(as_json=json)


@command()
def resume(job: Annotated[str | None, typer.Argument(help="Only this job.")] = None) -> int:
    """Go on with every interrupted or failed job."""
    from universe_pipeline.cli.recovery import resume

    return resume(job)


@command()
def clear_checkpoint(
    job: Annotated[str, typer.Argument(help="As `universe status` names it.")],
) -> int:
    """Let a job's next run fetch every session of its range again."""
    from universe_pipeline.cli.recovery import clear_checkpoint

    return clear_checkpoint(job)


@command()
def errors(*, json: Json = False) -> int:
    """Show the open rows of data_fetch_errors."""
    from universe_pipeline.cli.status import show_errors

    return show_errors(as_json=json)


@command()
def retry() -> int:
    """Fetch again whatever has an open error."""
    from universe_pipeline.cli.recovery import retry

    return retry()


@command()
def repair(
    *,
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Symbols (case-sensitive).")],
    start: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day.")],
    end: Annotated[date, typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Last day.")],
) -> int:
    """Fetch chosen symbols again by the per-symbol endpoint."""
    from universe_pipeline.cli.symbol_loads import repair

    return repair(_symbol_list(symbols), start, end)


@command()
def verify(
    *,
    sample_size: Annotated[
        int, typer.Option(min=0, help="Symbols to compare with the vendor, bar by bar.")
    ] = 0,
    start: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the first loaded session."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the last loaded session."),
    ] = None,
    json: Json = False,
) -> int:
    """Run every check over what is loaded; 1 if one of them fails as an error."""
    from universe_pipeline.cli.verify import verify

    return verify(start, end, sample_size, as_json=json)


@command()
def report(
    *,
    output: Annotated[
        Path, typer.Option(metavar="PATH", help="The file to write; what it held is replaced.")
    ] = Path("report.html"),
    start: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the first stored session."),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="Default: the last stored session."),
    ] = None,
) -> int:
    """Write one page that shows what is loaded, and what the rules say of it."""
    from universe_pipeline.cli.report import report

    return report(output, start, end)


@command()
def approve(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="DATE of a session, symbols, splits, or a SYMBOL."),
    ],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is right as it is.")],
) -> int:
    """Accept a quarantined session, or an answer refused as too small."""
    from universe_pipeline.cli.approve import approve

    # No ticker of a US stock begins with a digit.
    return approve(_day(what) if what[:1].isdigit() else what, reason)


@command()
def up(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> int:
    """Run database, Dagster webserver and daemon until ctrl-C."""
    from universe_pipeline.cli.up import serve

    return serve(port)


@command()
def demo(
    *,
    sessions: Annotated[int, typer.Option(min=1, max=2000, help="Newest sessions to load.")] = 25,
    serve: Annotated[bool, typer.Option(help="Leave the Dagster UI up with the data.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> int:
    """Show everything without a key, against a simulated vendor on loopback."""
    from universe_pipeline.cli.demo import run

    return run(sessions, serve_at=port if serve else None)


@command()
def doctor() -> int:
    """Check key, plan, pace, database, disk and migrations; say what a full load takes."""
    from universe_pipeline.cli.doctor import examine

    return examine()


@command()
def url() -> int:
    """Print the database's connection URL."""
    from universe_pipeline.cli.database import print_url

    return print_url()


@command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> int:
    """Open psql on the database; further arguments go to psql."""
    from universe_pipeline.cli.database import open_psql

    return open_psql(context.args)


@command()
def backup(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="A new file, or one to replace.")],
) -> int:
    """Write the whole database, Dagster's tables included, into a file."""
    from universe_pipeline.cli.backup import back_up

    return back_up(file)


@command()
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Made by `backup`.")],
) -> int:
    """Fill a database that has no tables yet from a backup."""
    from universe_pipeline.cli.backup import restore

    return restore(file)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code: 0, 1 failures, 2 wrong usage, 130 interrupted."""
    # What a command imports, Dagster above all, is no garbage: looking for it takes a third of the
    # time that importing does, and at the end, without the freeze, half a second more.
    gc.set_threshold(50_000, 20, 20)
    code = run(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: another ctrl-C needs no traceback
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; every deliberate error becomes one clear line on stderr."""
    program = typer.main.get_command(app)
    try:
        code = program.main(list(arguments), prog_name="universe", standalone_mode=False)
    except NoArgsIsHelpError as asked:
        typer.echo(asked.format_message())
        return WRONG_USAGE
    except (ClickException, UsageError) as wrong:
        return _tell(wrong, WRONG_USAGE)
    except UniverseError as error:
        return _tell(error, FAILED)
    except OSError as error:  # a folder that cannot be written, a full disk
        if error.filename is not None:
            return _tell(UniverseError(f"{error.filename}: {error.strerror}"), FAILED)
        if error.errno != ENOSPC:
            raise
        from universe_pipeline.cli.terminal import give_up_output

        give_up_output()
        return _tell(UniverseError(f"the result cannot be written: {error.strerror}"), FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        typer.echo(
            "universe: interrupted; what is committed is kept, the same command goes on", err=True
        )
    return code if isinstance(code, int) else DONE


def _tell(error: Exception, code: int) -> int:
    text = error.format_message() if isinstance(error, ClickException) else str(error)
    for line in text.splitlines():
        typer.echo(f"universe: {line}", err=True)
    return code
