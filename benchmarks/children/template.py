"""Migrates a database, discovers its universe, and makes Dagster's tables."""

from universe_pipeline import wiring
from universe_pipeline.loading.dividends import refresh_dividends
from universe_pipeline.loading.universe import discover
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import load_settings


def main() -> None:
    """Make the settings' database what a user has after `universe discover`."""
    settings = load_settings()
    database = wiring.open_for_loading(settings)
    with wiring.open_client(settings, database) as client, database.connect() as connection:
        discover(client, connection, wiring.clock(settings))
        start = settings.universe_start_date
        refresh_dividends(client, connection, wiring.clock(settings), start)
    with open_instance(settings):
        print("{}")


if __name__ == "__main__":
    main()
