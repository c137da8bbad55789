"""Checks for which a run has nothing to judge: they keep their last verdict.

Dagster has no evaluation without a verdict. Where a check yields none, the run's log reports that
its op forgot to, and the UI replaces the last verdict by "skipped".
"""

from collections.abc import Iterator

import dagster as dg

from universe_pipeline.orchestration.internals.event_log import UniverseEventLog


def last_verdicts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.Output[None]]:
    """End a check's op without a verdict: yield from this, and return."""
    storage = context.instance.event_log_storage
    if isinstance(storage, UniverseEventLog):  # an instance of the user's own shows them as skipped
        storage.unplan(context.run.run_id, list(context.selected_asset_check_keys))
    for output in context.op_execution_context.selected_output_names:
        yield dg.Output(None, output_name=output)
