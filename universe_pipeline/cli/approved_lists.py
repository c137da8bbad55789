"""`approve` of a list that was refused as too small.

A refused answer is not kept: the vendor is asked again, and the approval lets the same one in.
"""

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.refused_answers import Subject
from universe_pipeline.cli.approved_answers import described
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.load import discover_universe
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.datasets import WHOLE_LISTS
from universe_pipeline.loading.quality import approvals
from universe_pipeline.settings import Settings

LISTS = {name: Subject(name) for name in WHOLE_LISTS}
"""Lists by the words that `approve` takes."""


def approve_list(settings: Settings, subject: Subject, reason: str, by: str) -> int:
    """Store the short list that was refused.

    Raises:
        UsageError: none was.
    """
    database = wiring.open_database(settings)
    with database.connect() as connection:
        result(described(approvals.approve_refused(connection, subject, reason, by)))
    code = _ask_again(settings, subject)
    with database.connect() as connection:
        waiting = refused_answers.open_refusals(connection).get(subject)
    if waiting is None:
        result(f"the list of {subject} is stored")
    elif waiting.approved:
        result("the approval stays; `universe discover --force-refresh` asks for the list")
    else:
        result("the vendor sent yet another short list, which the approval does not cover")
    return code


def _ask_again(settings: Settings, subject: Subject) -> int:
    if settings.polygon_api_key is None:
        note("no POLYGON_API_KEY is set, so that the vendor is not asked")
        return DONE
    return discover_universe(settings, force=[subject.dataset])
