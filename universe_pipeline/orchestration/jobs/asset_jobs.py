"""Jobs: selections of the assets under the names that people and schedules use."""

import dagster as dg

from universe_pipeline.orchestration.assets.dividends import dividends
from universe_pipeline.orchestration.assets.listings import listings
from universe_pipeline.orchestration.assets.report import report
from universe_pipeline.orchestration.assets.splits import splits
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.checks.specs import sample_checks
from universe_pipeline.orchestration.jobs.sealing import sealing
from universe_pipeline.orchestration.jobs.symbol_repair import symbol_repair
from universe_pipeline.orchestration.tags import (
    DAILY_UPDATE,
    ERROR_RETRY,
    HISTORICAL_LOAD,
    VERIFICATION,
)

SESSION_ASSETS = dg.AssetSelection.assets(
    "symbols", "daily_bars", "data_coverage"
) - dg.AssetSelection.checks(*sample_checks.check_keys)  # a load asks for bars once

universe_discovery = dg.define_asset_job(
    "universe_discovery",
    selection=dg.AssetSelection.assets(symbols, splits, dividends, listings),
    description="Discover the universe of symbols and ask for splits and dividends: what "
    "`universe discover` runs.",
)

symbols_and_splits = dg.define_asset_job(
    "symbols_and_splits",
    selection=dg.AssetSelection.assets(symbols, splits, listings),
    description="Discover the universe of symbols and ask for the splits, without the dividends: "
    "what loads and repairs of chosen symbols run first, so that they do not wait for those.",
)

historical_load = dg.define_asset_job(
    HISTORICAL_LOAD,
    selection=SESSION_ASSETS | dg.AssetSelection.assets(splits, dividends, listings),
    description="Load a range of sessions: what `universe historical` runs.",
)

daily_update = dg.define_asset_job(
    DAILY_UPDATE,
    selection=SESSION_ASSETS | dg.AssetSelection.assets(splits, dividends, listings),
    description="Load the newest closed sessions and fetch the trailing ones again: what "
    "`universe daily` and the schedule `daily_update_after_close` run.",
)

error_retry = dg.define_asset_job(
    ERROR_RETRY,
    selection=SESSION_ASSETS,
    description="Ask again for the sessions that failed: what `error_retry_sensor` runs.",
)

verification = dg.define_asset_job(
    VERIFICATION,
    selection=dg.AssetSelection.checks_for_assets(
        "symbols", "daily_bars", "data_coverage", "splits", "dividends", "listings"
    )
    | dg.AssetSelection.assets(report),
    description="Run every check over all that was asked for, and make the report; loads nothing. "
    "`universe verify` and the schedule `weekly_verification` run it.",
)

JOBS = [
    universe_discovery,
    symbols_and_splits,
    historical_load,
    daily_update,
    error_retry,
    symbol_repair,
    sealing,
    verification,
]
