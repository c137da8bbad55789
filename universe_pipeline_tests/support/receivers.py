"""What alerts are sent to: a webhook and a mail server, both real and on loopback."""

import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from universe_pipeline_tests.support.serving import free_port


@dataclass
class Webhook:
    """Notes what is sent to it; answers by `status`."""

    url: str = ""
    status: int = 200
    requests: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    """Method, target and body."""

    @property
    def texts(self) -> list[str]:
        """The texts of its messages."""
        return [json.loads(body)["text"] for _, _, body in self.requests]


@contextmanager
def webhook(path: str = "/services/T0/B0/secret-of-the-hook") -> Generator[Webhook]:
    """A webhook on a free port of loopback."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as the base class calls it
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            hook.requests.append((self.command, self.path, body))
            self.send_response(hook.status)
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


USER, PASSWORD = "quant@example.com", "pW9+mail/PASS=~"  # pragma: allowlist secret


@dataclass
class MailServer:
    """Takes mail over TLS from `USER` by `PASSWORD`."""

    port: int
    authority: Path
    """A file with the certificate of its authority."""
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])
    recipients: list[list[str]] = field(default_factory=list[list[str]])

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Accept any recipient but those named "gone"."""
        if address.startswith("gone@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail of a user who has logged in."""
        if not session.authenticated:
            return "530 log in first"
        mail: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def mail_server(folder: Path) -> Generator[MailServer]:
    """A mail server on a free port of loopback, whose certificate is of an authority of its own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    server = MailServer(free_port(), folder / "authority.pem")
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=server.port,
        ssl_context=_context_of(authority),
        authenticator=_authenticate,
        auth_require_tls=False,  # the whole connection is TLS, which it does not see
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _context_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, given: Any) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=known, handled=known)
