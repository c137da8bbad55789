"""Mail, by an SMTP server that is named in a URL: smtps://user:password@host:465/?to=a@b,c@d.

The URL is a secret. Nothing here logs it, and no error holds its parts.
"""

import logging
import smtplib
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from universe_pipeline.adapters.polygon.trust import trust
from universe_pipeline.domain.errors import NotSentError

logger = logging.getLogger("universe_pipeline.mail")

SECONDS = 10.0
"""Each step with the server may take so long."""

_PORTS = {"smtps": 465, "smtp": 25}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The parts of a URL of mail."""

    is_encrypted: bool
    host: str
    port: int
    recipients: tuple[str, ...]
    sender: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse(url: str) -> Mailbox:
    """The parts of a URL that the settings have accepted."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    recipients = tuple(one.strip() for one in ",".join(asked["to"]).split(",") if one.strip())
    user = None if parts.username is None else unquote(parts.username)
    return Mailbox(
        is_encrypted=parts.scheme == "smtps",
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        recipients=recipients,
        sender=asked.get("from", [_sender(user)])[0],
        user=user,
        password=_password(parts),
    )


def _sender(user: str | None) -> str:
    return user if user and "@" in user else f"universe@{socket.getfqdn()}"


def _password(parts: SplitResult) -> str | None:
    return None if parts.password is None else unquote(parts.password)


def send(box: Mailbox, subject: str, text: str) -> None:
    """Send one mail to all recipients; one that the server refuses stops no other's.

    Raises:
        NotSentError: the server cannot be reached, or accepts neither us nor any recipient.
        SettingsError: the environment names certificates that cannot be used.
    """
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = box.sender, ", ".join(box.recipients), subject
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="universe.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    try:
        with _server(box) as server:
            refused = server.send_message(mail)
    except smtplib.SMTPResponseException as error:  # its text may repeat what we sent
        raise NotSentError(f"the server answers {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotSentError("the server refuses every recipient") from None
    except TimeoutError:
        raise NotSentError(f"no answer within {SECONDS:.0f} seconds") from None
    except UnicodeError:
        raise NotSentError("user, password and addresses may hold ASCII only") from None
    except (smtplib.SMTPException, OSError) as error:
        why = getattr(error, "strerror", None)
        raise NotSentError(f"{type(error).__name__}{f': {why}' if why else ''}") from None
    if refused:  # sent again, the mail would reach the others a second time
        logger.warning(
            "a mail was sent, but the server refuses %d of its %d recipients: see ?to= in "
            "UNIVERSE_ALERT_MAIL",
            len(refused),
            len(box.recipients),
        )


@contextmanager
def _server(box: Mailbox) -> Generator[smtplib.SMTP]:
    if box.is_encrypted:
        server = smtplib.SMTP_SSL(box.host, box.port, timeout=SECONDS, context=trust())
    else:
        server = smtplib.SMTP(box.host, box.port, timeout=SECONDS)
    with server:
        if box.user is not None:
            server.login(box.user, box.password or "")
        yield server
