"""A line that is long: holds each HTTP request back by so many seconds and passes bodies on at full speed, by splice(2), so
that it costs little of what it measures.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time

from tools.line import Line, cut

PIPE_BYTES = 1 << 20


class Connection:
    """One of a client's; its requests come one after another, each after the answer to the one before."""

    def __init__(self, client: socket.socket, server: socket.socket, seconds: float) -> None:
        self.seconds, self.answered = seconds, True
        self.client, self.server = client, server
        for source, target in ((client, server), (server, client)):
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
        cut(source, target)
        os.close(read)
        os.close(write)


class Delay(Line):
    """To an HTTP server."""

    def __init__(self, upstream_port: int, seconds: float) -> None:
        super().__init__(upstream_port)
        self.seconds = seconds

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, client: socket.socket) -> None:
        Connection(client, self.upstream(), self.seconds)
