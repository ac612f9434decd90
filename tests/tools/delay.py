"""A line that is long: a TCP proxy on a free port of 127.0.0.1 that holds each HTTP request back by so many seconds and
passes bodies on at full speed, by splice(2), so that it costs little of what it measures.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time

PIPE_BYTES = 1 << 20


class Connection:
    """One of a client's; its requests come one after another, each after the answer to the one before."""

    def __init__(self, client: socket.socket, port: int, seconds: float) -> None:
        self.seconds, self.answered = seconds, True
        self.client, self.server = client, socket.create_connection(("127.0.0.1", port))
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((self.client, self.server), (self.server, self.client)):
            threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with contextlib.suppress(OSError):
            while n := os.splice(source.fileno(), write, PIPE_BYTES):
                if source is self.server:
                    self.answered = True
                elif self.answered:
                    self.answered = False
                    time.sleep(self.seconds)
                while n:
                    n -= os.splice(read, target.fileno(), n)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        os.close(read)
        os.close(write)


class Delay:
    """As a context: the endpoint. Connections end with their clients."""

    def __init__(self, upstream_port: int, seconds: float) -> None:
        self.port, self.seconds = upstream_port, seconds

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                Connection(self.listener.accept()[0], self.port, self.seconds)

    def __enter__(self) -> Delay:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
