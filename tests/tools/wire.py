"""A line that breaks on purpose, between a client and a server of any protocol in which the client speaks first.

`rule(number, data)` says what becomes of what a client sends, counted from 1 over all connections: None passes it on; "lose"
passes it on, and cuts the connection in place of the answer; a function is called before it is passed on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from tools.line import Line, cut

Rule = Callable[[int, bytes], Any]


class Wire(Line):
    """`seen`: how much has been sent."""

    def __init__(self, upstream_port: int, rule: Rule = lambda number, data: None) -> None:
        super().__init__(upstream_port)
        self.rule, self.seen, self.lock = rule, 0, threading.Lock()

    def connect(self, client: socket.socket) -> None:
        server, lost = self.upstream(), threading.Event()
        threading.Thread(target=self.ask, args=(client, server, lost), daemon=True).start()
        threading.Thread(target=self.answer, args=(client, server, lost), daemon=True).start()

    def ask(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                with self.lock:
                    self.seen += 1
                    verdict = self.rule(self.seen, data)
                if callable(verdict):
                    verdict()
                elif verdict == "lose":
                    lost.set()
                server.sendall(data)
        cut(client, server)

    def answer(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if lost.is_set():
                    break
                client.sendall(data)
        cut(client, server)
