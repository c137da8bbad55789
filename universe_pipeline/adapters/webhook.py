"""HTTP addresses that are called when something is so: a chat's webhook, a heartbeat's check.

The address is a secret. Nothing here logs it, and no error holds it.
"""

from contextlib import closing

import httpcore
import httpx

from universe_pipeline.adapters.polygon.deadline import Sockets, address, deadline, open_pool
from universe_pipeline.adapters.polygon.proxies import proxy_to
from universe_pipeline.adapters.polygon.trust import no_trust, trust
from universe_pipeline.domain.errors import NotSentError
from universe_pipeline.domain.foreign_text import visible

SECONDS = 10.0
"""A whole request may take so long."""


def call(url: str, body: bytes | None = None) -> None:
    """Send `body` as JSON by POST, or without one ask by GET; the answer's body is not read.

    Proxies and certificates are those of the environment, as for the vendor.

    Raises:
        NotSentError: it cannot be reached, or its answer is not a success (2xx).
        SettingsError: the environment names a proxy or certificates that cannot be used.
    """
    parsed = httpx.URL(url)
    headers = [("Host", parsed.netloc.decode()), ("Content-Type", "application/json")]
    sockets = Sockets()
    proxy = proxy_to(parsed)
    pool = open_pool(
        sockets,
        trust=trust() if parsed.scheme == "https" else no_trust(),
        proxy=None if proxy is None else proxy.for_httpx,
        connections=1,
    )
    method = "GET" if body is None else "POST"
    try:
        with (
            closing(pool),
            deadline(SECONDS),
            pool.stream(method, address(parsed), headers=headers, content=body or b"") as answer,
        ):
            status = answer.status
    except (httpcore.TimeoutException, TimeoutError):
        raise NotSentError(f"no answer within {SECONDS:.0f} seconds") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError) as error:
        raise NotSentError(visible(error) or type(error).__name__) from None
    if not 200 <= status < 300:  # noqa: PLR2004  # what HTTP calls a success
        raise NotSentError(f"HTTP {status}")
