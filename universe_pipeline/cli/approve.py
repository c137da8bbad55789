"""`approve`: a person accepts a quarantined session, or an answer that was refused as too small."""

import getpass
from datetime import date

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import refused
from universe_pipeline.cli.approved_answers import approve_list, approve_session, approve_symbol
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.settings import settings

_LISTS = {"symbols": refused.SYMBOLS, "splits": refused.SPLITS}
_RESERVED = "dividends"


def approve(what: date | str, reason: str) -> int:
    """Approve what was kept from readers or refused, and keep why.

    Args:
        what: a session; "symbols" or "splits" for a list; or a symbol.
        reason: why it is right.

    Raises:
        UsageError: nothing about it waits for approval, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why it is right as it is")
    database, given = wiring.open_database(settings()), (reason.strip(), _user())
    if isinstance(what, date):
        return approve_session(database, what, *given)
    if what in _LISTS:
        return approve_list(database, _LISTS[what], *given)
    if what == _RESERVED:
        raise UsageError("there is no list of dividends to approve; the lists: symbols, splits")
    return approve_symbol(database, what, *given)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "unknown"
