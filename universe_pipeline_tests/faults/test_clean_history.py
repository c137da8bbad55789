"""Five clean years break no rule of severity ERROR, however long that takes."""

from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.quality.rules import RULES, Severity
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.quality.stored import judge_bars, judge_universe
from universe_pipeline.loading.sessions import Encoding, fetch_sessions, store
from universe_pipeline.loading.universe import discover
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine

pytestmark = pytest.mark.faults

FIVE_YEARS = sessions_between(date(2020, 1, 2), date(2024, 12, 31))


def test_five_clean_years_break_no_rule_of_severity_error(connection: Connection) -> None:
    with SimulatedVendor(symbols=1_600) as vendor, PolygonClient(vendor.base_url, "key") as client:
        discover(client, connection, machine)
        make_quarters(connection, FIVE_YEARS)
        states = {
            store(connection, each, None).state
            for each in fetch_sessions(client, FIVE_YEARS, Encoding(), machine)
        }

    found = judge_bars(connection, FIVE_YEARS, Thresholds(), fingerprints=True)

    assert len(FIVE_YEARS) == 1_258
    assert states == {"loaded"}
    judged = {each.rule: each for each in [*found, *judge_universe(connection)]}
    errors = [rule for rule in RULES if rule.severity is Severity.ERROR and rule in judged]
    assert len(errors) == 11
    assert {rule.name: judged[rule].worst for rule in errors if judged[rule].count} == {}
