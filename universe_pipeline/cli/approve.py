"""`approve`: a quarantined session is right as it is."""

import getpass
from datetime import date

from universe_pipeline import wiring
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.loading import approvals
from universe_pipeline.settings import settings


def approve(session: date, reason: str) -> int:
    """Give a quarantined session to readers, and keep why.

    Raises:
        UsageError: it is not quarantined, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why the session is right as it is")
    with wiring.open_database(settings()).connect() as connection:
        rules = approvals.approve(connection, session, reason.strip(), _user())
    broke = f" though it breaks {', '.join(rules)}" if rules else ""
    result(f"{session} is given to readers{broke}; another content is judged anew")
    return DONE


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "unknown"
