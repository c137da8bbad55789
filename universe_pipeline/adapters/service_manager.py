"""What systemd is notified of: that a service is ready, that it lives, that it stops.

A unit of `Type=notify` names a socket in the environment of its process. Elsewhere nothing is sent.
"""

import os
import socket
from contextlib import suppress

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


def notify(state: str) -> None:
    """Send a state to the service manager, if this process has one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, as the kernel spells it
        address = f"\0{address[1:]}"
    # A socket that is gone was a manager's of an earlier process.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)


def watchdog_seconds() -> float | None:
    """How long this process may go without ALIVE before it is killed; None if it is not watched."""
    watched = os.environ.get("WATCHDOG_PID") or str(os.getpid())
    microseconds = os.environ.get("WATCHDOG_USEC")
    if not microseconds or watched != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
