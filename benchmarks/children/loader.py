"""The loader without Dagster: `python -m benchmarks.children.loader FIRST LAST`."""

import sys
import time
from datetime import date

from benchmarks.children.output import print_figures
from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.sessions import fetch_sessions, store
from universe_pipeline.settings import load_settings


def main(first: str, last: str) -> None:
    """Fetch and store every session of a range, loaded or not."""
    sessions = sessions_between(date.fromisoformat(first), date.fromisoformat(last))
    settings = load_settings()
    database = wiring.open_for_loading(settings)
    worker, now = DecodingWorker(), wiring.clock(settings)
    with (
        wiring.open_client(settings, database, worker=worker) as client,
        database.connect() as connection,
    ):
        started = time.perf_counter()
        make_quarters(connection, sessions)
        answers = fetch_sessions(client, sessions, wiring.encoding(settings), now, worker)
        outcomes = [store(connection, fetched, None, client.tally) for fetched in answers]
        seconds = time.perf_counter() - started
    unloaded = [str(one.session) for one in outcomes if one.state != "loaded"]
    assert not unloaded, unloaded
    bars = sum(one.write.stored for one in outcomes if one.write)
    print_figures(seconds=seconds, sessions=len(sessions), bars=bars)


if __name__ == "__main__":
    main(*sys.argv[1:])
