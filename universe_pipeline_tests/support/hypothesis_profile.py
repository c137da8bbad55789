"""How many examples a property is tried on: the same ones each time.

`PROPERTY_EXAMPLES=50 pytest universe_pipeline_tests/properties` tries fifty times as many others.
"""

import os

from hypothesis import HealthCheck, settings

_FACTOR = int(os.environ.get("PROPERTY_EXAMPLES", "0"))


def examples(number: int) -> settings:
    """So many examples that never change; or that many times PROPERTY_EXAMPLES, drawn afresh."""
    return settings(
        max_examples=number * (_FACTOR or 1),
        derandomize=not _FACTOR,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
