"""What answers on a unix socket as a container engine would, but for what a test wants it to do: to lie, to break off, to say
nothing. It runs nothing; how weir works with a real engine is tested with one (docker.py)."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

ID = "f" * 64
VERSIONS = {"fake": "1"}


@dataclass
class Request:
    method: str
    path: str
    body: Any
    write: Callable[[bytes], None]

    def answer(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
        head = f"HTTP/1.1 {status} said\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        self.write(head.encode() + data)

    def stream(self, *chunks: bytes, ends: bool = True) -> None:
        self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for chunk in chunks:
            self.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if ends:
            self.write(b"0\r\n\r\n")


Rule = Callable[[Request], None]


def silent(_: Request) -> None:
    time.sleep(60)


def says(body: Any, status: int = 200) -> Rule:
    return lambda r: r.answer(status, body)


def frame(text: bytes) -> bytes:
    return b"\1\0\0\0" + len(text).to_bytes(4, "big") + text


@dataclass
class Engine:
    """Rules of a test come first: a pattern of "METHOD /path", and what is done then."""

    socket: pathlib.Path
    rules: dict[str, Rule] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: {"Running": False, "Pid": 0, "ExitCode": 0})

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    def requests(self, pattern: str) -> list[Request]:
        return [r for r in self.seen if re.match(pattern, f"{r.method} {r.path}")]

    def usual(self) -> dict[str, Rule]:
        image = {"Id": "sha256:1", "Size": 1000, "Config": {"Entrypoint": ["/stack/run"]}}
        return {
            "GET /version": says({"Version": "0", "ApiVersion": "1.41", "Platform": {"Name": "Fake"}}),
            "GET /info": says({"CgroupDriver": "systemd"}),
            "GET /images/": says(image),
            "DELETE /images/": says([]),
            "POST /images/create": lambda r: r.stream(b'{"status":"Status: done"}\r\n'),
            "POST /containers/create": says({"Id": ID, "Warnings": []}, 201),
            f"POST /containers/{ID}/wait": says({"StatusCode": 0}),
            f"GET /containers/{ID}/json": lambda r: r.answer(200, {"Id": ID, "State": self.state}),
            f"GET /containers/{ID}/logs": lambda r: r.stream(frame(json.dumps(VERSIONS).encode())),
            f"GET /containers/{ID}/stats": says({}),
            "GET /containers/json": says([]),
            "POST ": lambda r: r.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            "DELETE ": lambda r: r.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        }

    def act(self, request: Request) -> None:
        self.seen.append(request)
        asked = f"{request.method} {request.path}"
        for pattern, rule in [*self.rules.items(), *self.usual().items()]:
            if re.match(pattern, asked):
                rule(request)
                return
        request.answer(404, {"message": f"no such thing: {asked}"})


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    engine: Engine


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        method, path, _ = self.rfile.readline().decode().split(" ", 2)
        length = 0
        while (line := self.rfile.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = json.loads(self.rfile.read(length)) if length else None
        with contextlib.suppress(OSError):  # it need not wait for the end
            self.server.engine.act(Request(method, path, body, self.wfile.write))


@contextlib.contextmanager
def serve(folder: pathlib.Path) -> Iterator[Engine]:
    """`folder`: a short path, for a socket's name has 107 bytes at most."""
    engine = Engine(folder / "engine.sock")
    with _Server(str(engine.socket), _Handler) as server:
        server.engine = engine
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield engine
        server.shutdown()
        thread.join()
