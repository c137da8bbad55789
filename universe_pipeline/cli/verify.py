"""`verify`: every check over what is loaded, and symbols compared with the vendor."""

import json
import random
from collections.abc import Sequence
from datetime import date

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.figures import figures
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.load import at_pace
from universe_pipeline.cli.terminal import note, progress_bars, result, table
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.sessions import closed_range
from universe_pipeline.loading.comparison import Difference, compare, draw_symbols
from universe_pipeline.orchestration.runs import Verdict, open_runs
from universe_pipeline.settings import settings


def verify(start: date | None, end: date | None, sample_size: int, *, as_json: bool) -> int:
    """Run the checks over a range (default: first to last loaded session) and say what they said.

    Raises:
        UsageError: nothing is loaded.
        SettingsError: symbols are to be compared and there is no key.
    """
    if sample_size:
        settings().require_api_key()
    database = wiring.open_database(settings())
    with database.connect() as connection:
        numbers = figures(connection)
    if numbers.first_session is None or numbers.last_session is None:
        raise UsageError("nothing is loaded yet: `universe historical --start …` loads a range")
    sessions = closed_range(
        start or numbers.first_session, end or numbers.last_session, wiring.now()
    )
    with progress_bars(), open_runs(settings(), database) as runs:
        ended = runs.run("verification", sessions, name="verification")
    differences = _compare(database, sessions, sample_size)
    _print(ended.verdicts, differences, as_json=as_json)
    for message in ended.messages:
        note(message)
    return FAILED if ended.failed_checks or not ended.success or differences else DONE


def _compare(database: Database, sessions: Sequence[date], size: int) -> list[Difference]:
    if not size:
        return []
    seed = random.SystemRandom().randrange(1_000_000)
    with database.connect() as connection, wiring.open_client(settings(), database) as client:
        symbols = draw_symbols(connection, size, seed)
        note(f"comparing {len(symbols)} symbols drawn by seed {seed}, {at_pace(len(symbols))}")
        return [one for symbol in symbols for one in compare(client, connection, symbol, sessions)]


def _print(verdicts: Sequence[Verdict], differences: list[Difference], *, as_json: bool) -> None:
    if as_json:
        result(json.dumps(_document(verdicts, differences), indent=2))
        return
    rows = Table("check", "asset", "verdict", "offenders", box=None, pad_edge=False)
    for one in verdicts:
        rows.add_row(one.check, one.asset, _word(one), str(one.offenders))
    table(rows)
    for difference in differences:
        result(f"{difference.symbol} {difference.day}: {difference.text}")


def _word(verdict: Verdict) -> str:
    return "ok" if verdict.passed else verdict.severity.lower()


def _document(verdicts: Sequence[Verdict], differences: list[Difference]) -> dict[str, object]:
    return {
        "checks": [
            {
                "check": one.check,
                "asset": one.asset,
                "verdict": _word(one),
                "offenders": one.offenders,
            }
            for one in verdicts
        ],
        "differences": [
            {"symbol": one.symbol, "date": one.day.isoformat(), "difference": one.text}
            for one in differences
        ],
    }
