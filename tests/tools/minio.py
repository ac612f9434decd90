"""A MinIO server of one's own: on a port of 127.0.0.1, a free one unless said, in a folder, with keys that nothing else
holds. For tests it is temporary; scripts/infra has one that stays. The program is looked for in WEIR_MINIO, .cache/minio
and PATH (scripts/setup --dev builds it where there is Go).

From a shell: `python3 minio.py start FOLDER` prints what weir needs as lines of `export NAME=VALUE`, and makes the
bucket `lake`; `minio.py stop FOLDER` ends it and removes the folder.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tools.postgres import alive, command_line, free_port  # noqa: E402
from tools.s3 import S3  # noqa: E402

MISSING = "MinIO is not installed: scripts/setup --dev (needs Go 1.24), or WEIR_MINIO=its program"
BUCKET = "lake"


def program() -> pathlib.Path | None:
    """None: not installed."""
    given = os.environ.get("WEIR_MINIO")
    if given:
        return pathlib.Path(given)
    ours = pathlib.Path(__file__).resolve().parents[2] / ".cache/minio"
    elsewhere = shutil.which("minio")
    return ours if ours.exists() else pathlib.Path(elsewhere) if elsewhere else None


class Minio:
    """One drive, one user."""

    def __init__(self, folder: pathlib.Path | None = None, certificates: pathlib.Path | None = None) -> None:
        """`certificates`: a folder with public.crt, private.key and their authority's authority.crt; TLS only then."""
        self.certificates = certificates
        place = os.environ.get("WEIR_TEST_TMP", "/dev/shm")
        parent = place if os.access(place, os.W_OK) else None
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="weir-minio-", dir=parent))
        self.folder.mkdir(exist_ok=True)
        self.data, self.log, self.settings = (self.folder / n for n in ("data", "log", "settings"))

    def make(self, port: int = 0, console: int = 0, bucket: str = BUCKET) -> Minio:
        self.settings.touch(mode=0o600)
        keys = f"key{secrets.token_hex(8)} secret-{secrets.token_hex(16)}"
        self.settings.write_text(f"{port or free_port()} {keys}")
        self.start(console=console)
        self.client().make_bucket(bucket)
        return self

    @property
    def port(self) -> int:
        return int(self.settings.read_text().split()[0])

    @property
    def keys(self) -> tuple[str, str]:
        _, access, secret = self.settings.read_text().split()
        return access, secret

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        access, secret = self.keys
        out = {
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
            "WEIR_S3_ENDPOINT": self.endpoint,
        }
        if self.certificates:
            out["AWS_CA_BUNDLE"] = str(self.certificates / "authority.crt")
        return out

    def client(self) -> S3:
        authority = self.certificates / "authority.crt" if self.certificates else None
        return S3(self.endpoint, *self.keys, authority=authority)

    def start(self, port: int = 0, console: int = 0) -> None:
        """On the port it had, unless said; its console on another, or without."""
        if port:
            self.settings.write_text(" ".join([str(port), *self.keys]))
        binary = program()
        assert binary, MISSING
        access, secret = self.keys
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MINIO_", "AWS_", "LD_"))}
        env |= {"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret, "HOME": str(self.folder)}
        env |= {
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "on" if console else "off",
            "MINIO_DOMAIN": "localhost",
        }
        command = [str(binary), "server", str(self.data), "--address", f"127.0.0.1:{self.port}", "--quiet"]
        if self.certificates:
            command += ["--certs-dir", str(self.certificates)]
        if console:
            command += ["--console-address", f"127.0.0.1:{console}"]
        with open(self.log, "ab") as log:
            server = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / "pid").write_text(str(server.pid))
        self.wait_until_ready(server)

    def wait_until_ready(self, server: subprocess.Popen) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            try:
                if self.client().call("GET", "/")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"MinIO did not start: {self.log.read_text()[-1000:]}")

    def running(self) -> bool:
        """Its pid file may be a crashed one's."""
        try:
            pid = int((self.folder / "pid").read_text())
        except FileNotFoundError:
            return False
        return alive(pid) and str(self.data) in command_line(pid)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """SIGKILL: a crash; SIGTERM: an orderly end."""
        pid = int((self.folder / "pid").read_text())
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + 30
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)

    def remove(self) -> None:
        if (self.folder / "pid").exists():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["start"] and len(sys.argv) == 3:
        if not program():
            sys.exit(MISSING)
        for name, value in Minio(pathlib.Path(sys.argv[2])).make().env.items():
            print(f"export {name}={value}")
    elif sys.argv[1:2] == ["stop"] and len(sys.argv) == 3:
        Minio(pathlib.Path(sys.argv[2])).remove()
    else:
        sys.exit(__doc__)
