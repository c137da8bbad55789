"""The universe of US common stocks in PostgreSQL, loaded and kept right by Dagster.

The house, from the outside in (imports point inward only, held by import-linter):

    definitions     where Dagster starts
    cli             the `universe` command
    read            the door for notebooks: bars as frames
    orchestration   all Dagster: assets, checks, resources, IO manager, in-process runs
    wiring          plain adapters, built from the settings
    simulator       a stand-in vendor on loopback for the demo and the tests
    settings        the only reader of the environment
    loading         the way of one session: fetch -> decode -> validate -> write
    research        what is derived from stored bars while they are read
    reporting       a page of what is stored, to look at
    adapters        the outside world: polygon (the vendor), postgres (the store, the server),
                    the machine
    domain          pure: sessions, bars, symbols, rules, errors

Importing any of it changes nothing in the process: a load is tuned (`adapters.machine`) by the
command line and by Dagster's processes.
"""
