"""The universe of US common stocks in PostgreSQL, loaded and kept right by Dagster.

The house, from the outside in (imports point inward only, held by import-linter):

    definitions     where Dagster starts
    cli             the `universe` command
    orchestration   all Dagster: assets, checks, resources, IO manager, in-process runs
    wiring          plain adapters, built from the settings
    simulator       a stand-in vendor on loopback for the demo and the tests
    settings        the only reader of the environment
    loading         the way of one session: fetch -> decode -> validate -> write
    reporting       a page of what is stored, to look at
    adapters        the outside world: polygon (the vendor), postgres (the store, the server),
                    the machine
    domain          pure: sessions, bars, symbols, rules, errors
"""

import os

from universe_pipeline.adapters import machine

# A frame here has a session's 10,500 rows: what Polars' threads cost to wake, and to wait in, is
# more than they do. Read when Polars first works; whoever has set it keeps it.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

machine.share_memory()
