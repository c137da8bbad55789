"""`approve`: a person accepts a quarantined session, or an answer that was refused as too small."""

import getpass
from datetime import date

from universe_pipeline import wiring
from universe_pipeline.cli.approved_answers import approve_session, approve_symbol
from universe_pipeline.cli.approved_lists import LISTS, approve_list
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.settings import settings

_RESERVED = "dividends"


def approve(what: date | str, reason: str) -> int:
    """Approve what was kept from readers or refused, and keep why.

    Args:
        what: a session; one of `LISTS`; or a symbol.
        reason: why it is right.

    Raises:
        UsageError: nothing about it waits for approval, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why it is right as it is")
    database = wiring.open_database(settings())
    if isinstance(what, date):
        return approve_session(database, what, reason.strip(), _user())
    if what in LISTS:
        return approve_list(database, LISTS[what], reason.strip(), _user())
    if what == _RESERVED:
        raise UsageError(f"there is no list of {what} to approve; the lists: {', '.join(LISTS)}")
    return approve_symbol(database, what, reason.strip(), _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "unknown"
