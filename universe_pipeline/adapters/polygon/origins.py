"""Addresses: which vendor a base URL names, and where the key may go."""

import httpx

from universe_pipeline.domain.addresses import is_loopback
from universe_pipeline.domain.errors import SettingsError

TWIN_HOSTS = frozenset({"api.polygon.io", "api.massive.com"})
"""One vendor under its old and its new name: same keys, same paths, and a `next_url` of one may
name the other (client-python README, 2025-10-30)."""


def vendor_of(base_url: str) -> str:
    """Whose data a base URL gives: "polygon", "loopback", or otherwise the lower-case host.

    Raises:
        SettingsError: no host can have that name.
    """
    try:
        host = httpx.URL(base_url).host.lower()
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SettingsError([f"POLYGON_BASE_URL is no address: {error}"]) from None
    if host in TWIN_HOSTS:
        return "polygon"
    return "loopback" if is_loopback(host) else host


def may_see_key(base: httpx.URL, url: httpx.URL) -> bool:
    """Whether `url` is of the base URL's origin, or of its twin's."""
    if url.userinfo:
        # httpx would send it as the authorization, in place of the key.
        return False
    return _origin(url) == _origin(base) or (_is_twin(base) and _is_twin(url))


def destination(base: httpx.URL, link: str) -> httpx.URL | None:
    """Where a link of the vendor leads, or None if the key must not go there."""
    try:
        url = base.join(link)
        known = may_see_key(base, url)
    except (httpx.InvalidURL, ValueError):  # httpx lets what is wrong with a host's name through
        return None
    return url if known else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.lower(), url.port


def _is_twin(url: httpx.URL) -> bool:
    # httpx makes the scheme's own port None.
    return url.scheme == "https" and url.host.lower() in TWIN_HOSTS and url.port is None
