"""`universe historical` in this process: `python -m benchmarks.children.historical FIRST LAST`."""

import sys
import time

import dagster as dg

from benchmarks.children.output import peak_mb, print_figures
from universe_pipeline import cli
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import load_settings


def main(first: str, last: str) -> None:
    """Load a range as the command does; print what Dagster recorded of the run."""
    started = time.perf_counter()
    code = _ended("historical", "--start", first, "--end", last)
    wall, peak = time.perf_counter() - started, peak_mb()
    assert code == 0, code
    with open_instance(load_settings()) as instance:
        print_figures(wall=wall, peak_mb=peak, steps=_steps(instance))


def _ended(*command: str) -> object:
    """The exit code of a command."""
    try:
        cli.main(command)
    except SystemExit as end:
        return end.code


def _steps(instance: dg.DagsterInstance) -> dict[str, float]:
    """Seconds of each step of the newest load, as the event log has them; none if nothing ran."""
    return {
        one.step_key: one.end_time - one.start_time
        for run in instance.get_runs(dg.RunsFilter(job_name="historical_load"), limit=1)
        for one in instance.get_run_step_stats(run.run_id)
        if one.start_time is not None and one.end_time is not None
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
