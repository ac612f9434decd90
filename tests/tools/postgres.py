"""A PostgreSQL server of one's own: on a port of 127.0.0.1, a free one unless said, in a folder, with one superuser whose
password nothing else holds. For tests it is temporary; scripts/infra has one that stays. Needs Debian's package postgresql
(scripts/setup --dev).

From a shell: `python3 postgres.py start FOLDER` prints its URI, `postgres.py stop FOLDER` ends it and removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

USER, DATABASE = "weir_test", "lake"
MISSING = "PostgreSQL's server is not installed: scripts/setup --dev (Debian's package postgresql)"


def programs() -> pathlib.Path | None:
    """The folder of initdb and pg_ctl, the newest; None: not installed."""
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    elsewhere = shutil.which("pg_ctl")
    folders = [pathlib.Path(elsewhere).resolve().parent] if elsewhere else []
    return next((f for f in [*reversed(debian), *folders] if (f / "initdb").exists()), None)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """Not `durable`: files survive a power cut no better than fsync=off does, but a killed server: what is tested here."""

    def __init__(
        self,
        folder: pathlib.Path | None = None,
        user: str = USER,
        database: str = DATABASE,
        durable: bool = False,
    ) -> None:
        self.user, self.database, self.durable = user, database, durable
        place = os.environ.get("WEIR_TEST_TMP", "/dev/shm")
        parent = place if os.access(place, os.W_OK) else None
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="weir-pg-", dir=parent))
        self.folder.mkdir(exist_ok=True)
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.port_file, self.password_file = self.folder / "port", self.folder / "password"

    def as_owner(self, command: list[str], **kwargs) -> subprocess.CompletedProcess:
        """The server refuses to run as root."""
        bin_folder = programs()
        assert bin_folder, MISSING
        command = [str(bin_folder / command[0]), *command[1:]]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LD_"))}
        return subprocess.run(
            command, env={**env, "HOME": str(self.folder)}, cwd="/", check=True, timeout=90, **kwargs
        )

    def make(self, port: int = 0) -> Postgres:
        self.port_file.write_text(str(port or free_port()))
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(f"pw-{secrets.token_hex(12)}")
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (self.folder, self.port_file, self.password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.as_owner(
            ["initdb", "-D", str(self.data), "-U", self.user, f"--pwfile={self.password_file}"]
            + ["--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", *([] if self.durable else ["-N"])],
            stdout=subprocess.DEVNULL,
        )
        settings = {"listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''"}
        settings |= {"max_connections": 200, "shared_buffers": "16MB"}
        if not self.durable:
            settings["fsync"] = "off"
        with open(self.data / "postgresql.conf", "a") as out:
            out.writelines(f"{k} = {v}\n" for k, v in settings.items())
        self.start()
        self.sql(f"create database {self.database}", database="postgres")
        return self

    @property
    def port(self) -> int:
        return int(self.port_file.read_text())

    @property
    def password(self) -> str:
        return self.password_file.read_text()

    def uri(self, password: bool = False, user: str = "", database: str = "", port: int = 0) -> str:
        who = user or self.user
        who = f"{who}:{self.password}" if password else who
        return f"postgresql://{who}@127.0.0.1:{port or self.port}/{database or self.database}"

    @property
    def env(self) -> dict[str, str]:
        return {"PGPASSWORD": self.password}

    def start(self, port: int = 0) -> None:
        """On the port it had, unless said."""
        if port:
            self.port_file.write_text(str(port))
        command = ["pg_ctl", "-D", str(self.data), "-l", str(self.log), "-o", f"-p {self.port}"]
        command += ["-w", "-t", "60", "start"]
        self.as_owner(command, stdout=subprocess.DEVNULL)

    def running(self) -> bool:
        """Its pid file may be a crashed one's."""
        try:
            return alive(self.pid()) and str(self.data) in command_line(self.pid())
        except FileNotFoundError:
            return False

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self, mode: str = "immediate") -> None:
        self.as_owner(["pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop"], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL of the server and all its sessions: a crash."""
        postmaster = self.pid()
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 30
        while any(alive(int(p)) for p in (postmaster, *children)) and time.monotonic() < deadline:
            time.sleep(0.01)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text: str, database: str = "") -> list[tuple[str, ...]]:
        """Rows as text."""
        command = ["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-c", text]
        command += ["-p", str(self.port), "-U", self.user, "-d", database or self.database]
        done = subprocess.run(
            command, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def temporary() -> Iterator[Postgres]:
    """A server that is gone afterwards."""
    server = Postgres()
    try:
        yield server.make()
    finally:
        server.remove()


def command_line(pid: int) -> str:
    """Empty: it has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """A zombie of one thread has ended; whether it is collected is up to the machine's first process."""
    proc = pathlib.Path(f"/proc/{pid}")
    try:
        state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX" or len(list((proc / "task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["start"] and len(sys.argv) == 3:
        if not programs():
            sys.exit(MISSING)
        print(Postgres(pathlib.Path(sys.argv[2])).make().uri(password=True))
    elif sys.argv[1:2] == ["stop"] and len(sys.argv) == 3:
        Postgres(pathlib.Path(sys.argv[2])).remove()
    else:
        sys.exit(__doc__)
