"""Sessions as partitions: listed as Dagster lists them, and anew when there is another one."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from universe_pipeline.domain.sessions import NEW_YORK
from universe_pipeline.orchestration.partitions import session_partitions

PARTITIONS = session_partitions(date(2024, 6, 24))


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_keys_are_the_sessions_up_to_the_day(hour: int):
    now = datetime(2024, 7, 5, hour, 30, tzinfo=ZoneInfo(NEW_YORK))

    keys = PARTITIONS.get_partition_keys(now)

    assert keys[-3:] == ["2024-07-02", "2024-07-03", "2024-07-05"]  # the 4th is a holiday
    assert keys == dg.DailyPartitionsDefinition.get_partition_keys(PARTITIONS, now)


def test_another_day_brings_another_key():
    evening = datetime(2024, 7, 8, 23, 59, tzinfo=ZoneInfo(NEW_YORK))
    midnight = datetime(2024, 7, 9, 0, 0, tzinfo=ZoneInfo(NEW_YORK))

    assert PARTITIONS.get_partition_keys(evening)[-1] == "2024-07-08"
    assert PARTITIONS.get_partition_keys(midnight)[-1] == "2024-07-09"
    assert PARTITIONS.get_partition_keys(evening)[-1] == "2024-07-08"
