"""A proxy before the database that freezes, as a network or a machine does."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict


class FreezingProxy:
    """Forwards between TCP clients and a server; while frozen it accepts, and forwards nothing."""

    def __init__(self, url: str) -> None:
        """Listen on loopback.

        Args:
            url: of the database behind it, over TCP or a local socket.
        """
        self._behind = conninfo_to_dict(url)
        self._flows = threading.Event()
        self._flows.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._servers: list[socket.socket] = []
        self.accepted = 0
        """Connections so far."""
        parts = urlsplit(url)
        port = self._listening.getsockname()[1]
        self.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Forward nothing any more, without a word to either side."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again, what has waited first."""
        self._flows.set()

    def lose_clients(self) -> None:
        """End the connections of all clients; the server does not hear of it."""
        for client in self._clients:
            _end(client)
        self._clients.clear()

    def lose_servers(self) -> None:
        """End the connections to the server."""
        for server in self._servers:
            _end(server)
        self._servers.clear()

    def close(self) -> None:
        """End everything."""
        self._flows.set()
        self._listening.close()
        self.lose_clients()
        self.lose_servers()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.accepted += 1
                server = self._server()
                self._clients.append(client)
                self._servers.append(server)
                for given, taken in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(given, taken), daemon=True).start()

    def _server(self) -> socket.socket:
        host, port = str(self._behind["host"]), str(self._behind.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _forward(self, given: socket.socket, taken: socket.socket) -> None:
        with suppress(OSError):
            while data := given.recv(65_536):
                self._flows.wait()
                taken.sendall(data)
            if taken in self._clients:
                _end(taken)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def freezing_proxy(url: str) -> Generator[FreezingProxy]:
    """A proxy for the block."""
    proxy = FreezingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
