"""The proxy that the environment names for the vendor: HTTPS_PROXY or ALL_PROXY, but for NO_PROXY.

Loopback is never asked through one.
"""

import base64
import os
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.request import getproxies, proxy_bypass

import httpx

from universe_pipeline.adapters.polygon.trust import trust
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.addresses import is_loopback, is_visible
from universe_pipeline.domain.errors import SettingsError

_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535
_ANSWER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it."""

    variable: str
    url: httpx.URL = field(repr=False)

    def __str__(self) -> str:
        """Without the password that its address may hold."""
        return f"the proxy {self.url.netloc.decode('ascii')} ({self.variable})"

    @property
    def for_httpx(self) -> httpx.Proxy:
        """As httpx takes it; what a proxy with TLS must show is the same as the vendor."""
        return httpx.Proxy(self.url, ssl_context=trust() if self.url.scheme == "https" else None)


def proxy_to(base_url: httpx.URL) -> Proxy | None:
    """The proxy on the way to `base_url`; None: it is asked directly.

    Raises:
        SettingsError: the environment names one that cannot be used.
    """
    if is_loopback(base_url.host) or proxy_bypass(base_url.host):
        return None
    proxies = getproxies()
    named = proxies.get(base_url.scheme) or proxies.get("all")
    if not named:
        return None
    variable = _variable(named)
    address = named if "://" in named else f"http://{named}"
    return Proxy(variable, _url(variable, address, base_url.host))


def _variable(value: str) -> str:
    """The variable that has `value`; elsewhere than on Linux the system may name a proxy, too."""
    names = (f"{scheme}_proxy" for scheme in ("https", "http", "all"))
    tried = (name for lower in names for name in (lower, lower.upper()))
    return next((name for name in tried if os.environ.get(name) == value), "the system's settings")


def _url(variable: str, address: str, vendor: str) -> httpx.URL:
    """`address`, which no message shows: it may hold a password."""
    try:
        url = httpx.URL(address if is_visible(address) else "")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in _PORTS or not url.host or not _is_possible(url.port):
        raise _unusable(variable, "is not the http:// or https:// address of a proxy", vendor)
    return url


def _is_possible(port: int | None) -> bool:
    return port is None or 0 < port <= _LAST_PORT


def require_passage(proxy: Proxy, base_url: httpx.URL, seconds: float = 10.0) -> None:
    """Ask the proxy once to connect to the vendor, which is not asked for anything.

    What a proxy says of the vendor's side (5xx) is left to the client, which tries again.

    Raises:
        SettingsError: it cannot be reached, asks for a login, or does not let us through.
    """
    target = f"{base_url.host}:{base_url.port or _PORTS[base_url.scheme]}"
    try:
        status = _connect(proxy.url, target, seconds)
    except OSError as error:
        why = error.strerror or visible(str(error))
        raise _unusable(proxy, f"cannot be reached ({why})", base_url.host) from None
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        what = "takes no other login than its own" if proxy.url.userinfo else "asks for a login"
        login = "http://USER:PASSWORD@HOST:PORT"  # pragma: allowlist secret
        hint = f"{what}: write {login}, special characters as %XX"
        raise _unusable(proxy, hint, base_url.host)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _unusable(proxy, f"refuses to connect to {target} (HTTP {status})", base_url.host)


def _connect(url: httpx.URL, target: str, seconds: float) -> int:
    """The status that the proxy at `url` answers to CONNECT; 0 where it is none of HTTP."""
    address = (url.host, url.port or _PORTS[url.scheme])
    with closing(_opened(socket.create_connection(address, seconds), url)) as stream:
        login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        header = f"Proxy-Authorization: Basic {login}\r\n" if url.userinfo else ""
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{header}\r\n".encode())
        words = stream.recv(_ANSWER_BYTES).split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _opened(plain: socket.socket, url: httpx.URL) -> socket.socket | ssl.SSLSocket:
    if url.scheme == "http":
        return plain
    return trust().wrap_socket(plain, server_hostname=url.host)


def _unusable(named: Proxy | str, what: str, vendor: str) -> SettingsError:
    subject = f"{named} in the environment" if isinstance(named, str) else str(named)
    return SettingsError([f"{subject} {what}. Correct the variable, or let NO_PROXY name {vendor}"])
