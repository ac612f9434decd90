"""A real Chromium, driven over the WebDriver protocol (W3C), which is plain JSON over HTTP: no package needed.

Needs Debian's chromium and chromium-driver, or WEIR_TEST_CHROMIUM and WEIR_TEST_CHROMEDRIVER.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def missing() -> str:
    """What is not there; empty when all is."""
    parts = {"chromium": "WEIR_TEST_CHROMIUM", "chromedriver": "WEIR_TEST_CHROMEDRIVER"}
    absent = [
        name for name, variable in parts.items() if not (os.environ.get(variable) or shutil.which(name))
    ]
    return f"not installed: {', '.join(absent)} (Debian: chromium chromium-driver)" if absent else ""


class Browser:
    """One browser session."""

    def __init__(self, base: str, width: int, profile: str) -> None:
        self.base = base
        flags = [*FLAGS, f"--user-data-dir={profile}"]
        options: dict[str, Any] = {
            "binary": os.environ.get("WEIR_TEST_CHROMIUM") or shutil.which("chromium"),
            "args": flags,
            "mobileEmulation": {
                "deviceMetrics": {"width": width, "height": 900, "pixelRatio": 1, "touch": False}
            },
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base = f"{base}/session/{session['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, page: pathlib.Path) -> None:
        self._call("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body returns in the page."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def command(self, name: str, **parameters: Any) -> Any:
        """Of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def keys(self, text: str) -> None:
        """Typed into whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def complaints(self) -> list[str]:
        """The console's messages so far, but for plain notices."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("WARNING", "SEVERE")]

    def screenshot(self, path: pathlib.Path) -> None:
        """All of the page."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self._call("POST", "/print", {"background": True}))

    def close(self) -> None:
        self._call("DELETE", "")


@contextlib.contextmanager
def driver() -> Iterator[str]:
    """A running chromedriver's address."""
    command = os.environ.get("WEIR_TEST_CHROMEDRIVER") or "chromedriver"
    process = subprocess.Popen(
        [command, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        for line in process.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                break
        else:
            raise RuntimeError(f"{command} did not start")
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def browser(base: str, width: int = 1100, dark: bool = False) -> Iterator[Browser]:
    """A session at a driver's address, as wide as said, in light or dark."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        session = Browser(base, width, profile)
        try:
            session.command(
                "Emulation.setEmulatedMedia",
                features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
            )
            yield session
        finally:
            session.close()
