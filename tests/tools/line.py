"""A TCP proxy to a server on 127.0.0.1: what long and broken lines (delay.py, wire.py) have in common."""

from __future__ import annotations

import contextlib
import socket
import threading


class Line:
    """As a context, on a free port: each connection is handed to `connect`, and ends with its client."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def connect(self, client: socket.socket) -> None:
        raise NotImplementedError

    def upstream(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.upstream_port))

    def accept(self) -> None:
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.connect(client)
            except OSError:  # nobody answers behind us
                client.close()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def cut(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
