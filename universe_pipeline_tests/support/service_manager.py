"""systemd, as far as a service knows it: a datagram socket, and what was sent to it."""

import contextlib
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ServiceManager:
    """Hears what a process with `NOTIFY_SOCKET` in its environment reports."""

    address: str
    listener: socket.socket
    states: list[str] = field(default_factory=list[str])

    def heard(self) -> list[str]:
        """What was sent so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.states.append(self.listener.recv(256).decode())
        return self.states


@contextlib.contextmanager
def listening(folder: Path) -> Generator[ServiceManager]:
    """A service manager for the block, whose socket lies in a folder."""
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        yield ServiceManager(address, listener)
