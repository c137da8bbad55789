"""`approve` of a list that was refused as too small.

A refused answer is not kept: the vendor is asked again, and the approval lets the same one in.
"""

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.refused_answers import OpenRefusal, Subject
from universe_pipeline.cli.approved_answers import described
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.load import discover_universe
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.datasets import WHOLE_LISTS
from universe_pipeline.loading.quality import approvals
from universe_pipeline.settings import Settings

LISTS = WHOLE_LISTS
"""The lists that `approve` takes."""


def approve_list(settings: Settings, name: str, reason: str, by: str) -> int:
    """Store the short list that was refused, or the windows of one.

    Raises:
        UsageError: none was.
    """
    database = wiring.open_database(settings)
    with database.connect() as connection:
        for subject in [one.subject for one in _waiting(connection, name)] or [Subject(name)]:
            result(described(approvals.approve_refused(connection, subject, reason, by)))
    code = _ask_again(settings, name)
    with database.connect() as connection:
        waiting = _waiting(connection, name)
    if not waiting:
        result(f"the list of {name} is stored")
    elif all(one.approved for one in waiting):
        result("the approval stays; `universe discover --force-refresh` asks for the list")
    else:
        result("the vendor sent yet another short list, which the approval does not cover")
    return code


def _waiting(connection: Connection, name: str) -> list[OpenRefusal]:
    refused = refused_answers.open_refusals(connection)
    return [one for subject, one in refused.items() if subject.dataset == name]


def _ask_again(settings: Settings, name: str) -> int:
    if settings.polygon_api_key is None:
        note("no POLYGON_API_KEY is set, so that the vendor is not asked")
        return DONE
    return discover_universe(settings, force=[name])
