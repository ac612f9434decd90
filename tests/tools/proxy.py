"""An HTTP proxy that does harm on purpose: between a client and one server, on a free port of 127.0.0.1.

`rule(method, path, number)` says what becomes of the request, counted from 1: None lets it pass; a number waits so
many seconds first; "cut" closes the connection before the server hears of it; "lose" closes it in place of the
server's answer; ("answer", status, code) answers with an error of S3's; a function is called once the server has
answered, before its answer is passed on.
"""

from __future__ import annotations

import email.utils
import http.client
import http.server
import threading
import time
from collections.abc import Callable
from typing import Any

Rule = Callable[[str, str, int], Any]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def close_now(self) -> None:
        self.close_connection = True
        self.connection.close()

    def answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = str(len(body))
        if self.command == "HEAD":
            length = next((v for n, v in headers if n.lower() == "content-length"), "0")
        if status != 204:
            self.send_header("content-length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self) -> bytes:
        """Whole, also where it comes in chunks (RFC 9112, 7.1)."""
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        out = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        del self.headers["transfer-encoding"]
        self.headers["content-length"] = str(sum(map(len, out)))
        return b"".join(out)

    def forward(self) -> None:
        body = self.read_body()
        verdict = self.server.judge(self.command, self.path)
        if verdict == "cut":
            return self.close_now()
        if isinstance(verdict, tuple):
            _, status, code = verdict
            text = f"<Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
            skewed = code == "RequestTimeTooSkewed"  # clients set their clock by it
            return self.answer(
                status, text, [("date", email.utils.formatdate(0 if skewed else None, usegmt=True))]
            )
        if isinstance(verdict, (int, float)):
            time.sleep(verdict)
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            got = upstream.getresponse()
            text = got.read()
        except OSError:
            return self.close_now()
        finally:
            upstream.close()
        if callable(verdict):
            verdict()
        if verdict == "lose":
            return self.close_now()
        return self.answer(got.status, text, got.getheaders())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream_port: int, rule: Rule) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream_port, self.rule = upstream_port, rule
        self.lock, self.seen = threading.Lock(), []

    def judge(self, method: str, path: str) -> Any:
        with self.lock:
            self.seen.append((method, path))
            return self.rule(method, path, len(self.seen))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class Proxy:
    """As a context: the endpoint, and what was asked for."""

    def __init__(self, upstream_port: int, rule: Rule = lambda method, path, number: None) -> None:
        self.server = Server(upstream_port, rule)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def seen(self) -> list[tuple[str, str]]:
        return self.server.seen

    def __enter__(self) -> Proxy:
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.server.shutdown()
        self.server.server_close()
