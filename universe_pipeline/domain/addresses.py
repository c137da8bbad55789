"""Network addresses: which ones are this machine, and what they are written in."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_visible(text: str) -> bool:
    """Whether it is of visible ASCII characters alone, as addresses and headers are."""
    return all("!" <= character <= "~" for character in text)
