"""All that keeps the embedded server from starting, that hides it, or that ends it under a load."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres.embedded import attach, stop
from universe_pipeline_tests.adapters.postgres.embedded_causes import (
    IN_A_NAMESPACE,
    OF_THE_MACHINE,
    message,
)
from universe_pipeline_tests.adapters.postgres.embedded_homes import fresh_home
from universe_pipeline_tests.adapters.postgres.embedded_removals import (
    MORE_REMOVALS,
    Act,
    disturbed,
)
from universe_pipeline_tests.faults.tally import Tally

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A home with data, whose server does not run."""
    with fresh_home() as home:
        attach(home).detach()
        assert stop(home)
        yield home


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with fresh_home() as place:
        yield place


@pytest.mark.parametrize("name", OF_THE_MACHINE)
def test_the_message_names_the_cause(
    tally: Callable[[str], Tally], template: Path, name: str
) -> None:
    line = tally(f"embedded server cannot start: {name}")
    obstacle = OF_THE_MACHINE[name]
    said = message(obstacle, template, *IN_A_NAMESPACE)

    line.times = 1
    assert "\n" not in said
    for part in obstacle.said:
        assert part in said


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in MORE_REMOVALS.items()])
def test_a_server_whose_files_were_removed_loses_nothing(
    tally: Callable[[str], Tally], home: Path, act: Act, request: pytest.FixtureRequest
) -> None:
    line = tally(f"embedded server loses files: {request.node.callspec.id}")
    rows, left = disturbed(home, act)

    line.times, line.rows_lost, line.stuck = 1, 3 - rows, len(left)
    assert line.lost_or_doubled == (0, 0, 0, 0)
