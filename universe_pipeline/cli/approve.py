"""`approve`: a person accepts a quarantined session, or an answer that was refused as too small."""

import getpass
from datetime import date

from universe_pipeline.cli.approved_answers import approve_session, approve_symbol
from universe_pipeline.cli.approved_lists import LISTS, approve_list
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.settings import Settings


def approve(settings: Settings, what: date | str, reason: str) -> int:
    """Approve what was kept from readers or refused, and keep why.

    Args:
        settings: of the command.
        what: a session; one of `LISTS`; or a symbol.
        reason: why it is right.

    Raises:
        UsageError: nothing about it waits for approval, or no reason is given.
    """
    why = readable(reason)
    if isinstance(what, date):
        return approve_session(settings, what, why, user())
    if what in LISTS:
        return approve_list(settings, what, why, user())
    return approve_one_symbol(settings, what, reason)


def approve_one_symbol(settings: Settings, symbol: str, reason: str) -> int:
    """Approve what was refused of a symbol, though it may be named like a list; as `approve`."""
    why = readable(reason)
    return approve_symbol(settings, symbol, why, user())


def readable(reason: str) -> str:
    """The reason as one line of visible characters: reports and terminals show it as it is kept."""
    if not reason.strip():
        raise UsageError("--reason is empty: say why it is right as it is")
    return visible(reason.strip())


def user() -> str:
    """The account that runs the command, for what is kept under its name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "unknown"
