"""4.7: killed at any moment, each table is as it was or as the run intended; the next run succeeds; `weir
table clean` removes the left-overs and only those.

killpoint.c, preloaded, kills a small run around every single call that changes the file system (SQLite's
included) or makes the call fail as on a full disk; a larger run is killed at WEIR_TEST_KILLS moments.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from conformance import cases
from tools import clicks, engine, leftovers, mmdb_writer

KILLS = int(os.environ.get("WEIR_TEST_KILLS", "50"))
ROWS = int(os.environ.get("WEIR_TEST_CRASH_ROWS", "250000"))

FIRST = cases.csv(cases.row(), cases.row(user_id="u2"), b"bad")
SECOND = cases.csv(
    cases.row(event_id="s1"),
    cases.row(event_id="s2", timestamp="2024-01-05T00:00:00Z"),
    cases.row(event_id="s1"),
    b"x,y",
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("shim") / "killpoint.so"
    source = pathlib.Path(__file__).with_name("killpoint.c")
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(out), str(source), "-ldl"], check=True)
    return out


class Crash:
    """A lake that can be put back to its beginning, a run into it, and what both states look like."""

    def __init__(self, folder: pathlib.Path, base: str, mode: str) -> None:
        self.folder = folder
        self.lake = engine.Lake(folder / "lake")
        self.saved = folder / "saved"
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.mmdb = folder / "small.mmdb"
        self.mmdb.write_bytes(mmdb_writer.build(cases.NETWORKS))
        self.first, self.second = folder / "first.csv", folder / "second.csv"
        self.first.write_bytes(FIRST)
        self.second.write_bytes(SECOND)
        self.mode = mode
        if base == "table":
            self.lake.run([self.first], self.mmdb, "--run-id", "zero")
        else:
            self.lake.path.mkdir()
        shutil.copytree(self.lake.path, self.saved)
        self.before = self.seen()
        assert self.run() == 0
        self.after = self.seen()
        self.restore()

    def restore(self) -> None:
        shutil.rmtree(self.lake.path)
        shutil.copytree(self.saved, self.lake.path)

    def command(self, run_id: str) -> list[str]:
        rest = [
            "--mode",
            self.mode,
            "--run-id",
            run_id,
            "--tmp-dir",
            str(self.tmp),
            "--threads",
            "1",
        ]
        return self.lake.command([self.second], self.mmdb, *rest)

    def run(self, run_id: str = "one", **env: str) -> int:
        done = engine.weir(*self.command(run_id), env=env)
        self.err = done.err
        return done.code

    def table(self, name: str):
        """Its rows as a bag, None when there is no such table."""
        if self.lake.location(name) is None:
            return None
        return engine.bag(self.lake.read(name).rows)

    def seen(self) -> dict:
        return {name: self.table(name) for name in ("events", "rejects")}

    def files(self) -> set[pathlib.Path]:
        if not self.lake.warehouse.exists():
            return set()
        return {p for p in self.lake.warehouse.rglob("*") if p.is_file()}

    def referenced(self) -> set[pathlib.Path]:
        return leftovers.referenced(self.lake) if self.lake.location("rejects") else set()

    def check(self, where: str, may_be_after: bool = True) -> list[str]:
        """After a crash: tables, the next run, cleaning."""
        out = []
        now = self.seen()
        for name, rows in now.items():
            if rows != self.before[name] and not (may_be_after and rows == self.after[name]):
                out.append(f"{where}: {name} is neither as before nor as intended: {rows}")
        if now["events"] == self.after["events"] and now["rejects"] != self.after["rejects"]:
            out.append(f"{where}: events committed, rejects not")
        if any(self.tmp.iterdir()):
            out.append(f"{where}: left in --tmp-dir: {list(self.tmp.iterdir())}")
            shutil.rmtree(self.tmp)
            self.tmp.mkdir()
        if self.lake.catalog.exists():
            done = engine.weir("table", "clean", "--older-than", "0s", "--lake", self.lake.path)
            if done.code == 3 and not self.files():
                pass  # killed before there was a lake: nothing to clean, and it says so
            elif done.code:
                out.append(f"{where}: clean after the crash: exit {done.code}: {done.err}")
            elif self.seen() != now:
                out.append(f"{where}: clean changed the tables")
            elif self.files() != self.referenced():
                out.append(f"{where}: clean left {self.files() ^ self.referenced()}")
        if self.run("one"):
            out.append(f"{where}: the next run fails: {self.err}")
        elif self.seen() != self.after:
            out.append(f"{where}: the next run gives other rows")
        elif self.files() != self.referenced():
            out.append(f"{where}: the next run leaves {self.files() ^ self.referenced()}")
        return out


def count_calls(crash: Crash, shim: pathlib.Path) -> list[str]:
    log = crash.folder / "calls.log"
    assert crash.run(LD_PRELOAD=str(shim), KILLPOINT_LOG=str(log)) == 0
    crash.restore()
    return log.read_text().splitlines()


@pytest.mark.parametrize("do", ["before", "half"])
@pytest.mark.parametrize(
    ("base", "mode"), [("nothing", "overwrite"), ("table", "overwrite"), ("table", "append")]
)
def test_killed_around_every_call(tmp_path, shim, base, mode, do):
    """`before` call N+1 is `after` call N: nothing that changes files lies between them."""
    crash = Crash(tmp_path, base, mode)
    calls = count_calls(crash, shim)
    assert len(calls) > 20
    assert any("fsync" in c for c in calls) and any("write" in c for c in calls)
    out = []
    for n, call in enumerate(calls, 1):
        if do == "half" and "write" not in call:
            continue
        code = crash.run(LD_PRELOAD=str(shim), KILLPOINT_AT=str(n), KILLPOINT_DO=do)
        if code != -signal.SIGKILL:
            out.append(f"{call}: not killed, exit {code}")
        out += crash.check(f"{do} {call}")
        crash.restore()
        if len(out) > 20:
            break
    assert not out, "\n".join(out)


def test_killed_after_the_last_call(tmp_path, shim):
    crash = Crash(tmp_path, "table", "overwrite")
    last = str(len(count_calls(crash, shim)))
    assert crash.run(LD_PRELOAD=str(shim), KILLPOINT_AT=last, KILLPOINT_DO="after") == -signal.SIGKILL
    assert crash.seen() == crash.after
    assert not crash.check("after all")


@pytest.mark.parametrize(("do", "number"), [("fail", 5), ("fail", 28), ("fail-on", 28)])
def test_every_call_failing(tmp_path, shim, do, number):
    """EIO or ENOSPC at each call, once or from then on: exit 4 with one line, or the run succeeded after
    all; never a half-committed table."""
    crash = Crash(tmp_path, "table", "overwrite")
    calls = count_calls(crash, shim)
    out = []
    for n, call in enumerate(calls, 1):
        where = f"{do} {number} {call}"
        code = crash.run(
            LD_PRELOAD=str(shim),
            KILLPOINT_AT=str(n),
            KILLPOINT_DO=do,
            KILLPOINT_ERRNO=str(number),
        )
        if code == 0 and crash.seen() != crash.after:
            out.append(f"{where}: exit 0 without the rows")
        if code not in (0, 4):
            out.append(f"{where}: exit {code}: {crash.err}")
        if code == 4 and (crash.err.count("\n") != 1 or not crash.err.startswith("weir: ")):
            out.append(f"{where}: not one line: {crash.err}")
        out += crash.check(where)
        crash.restore()
        if len(out) > 20:
            break
    assert not out, "\n".join(out)


class Large(Crash):
    """The same over a run long enough to be killed anywhere; rows by digest."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.big = clicks.write(folder / "big.csv", ROWS)
        super().__init__(folder, "table", "overwrite")

    def command(self, run_id: str) -> list[str]:
        rest = ["--run-id", run_id, "--tmp-dir", str(self.tmp), "--memory", "64MB"]
        return self.lake.command([self.big], self.mmdb, *rest)

    def table(self, name: str):
        location = self.lake.location(name)
        if location is None:
            return None
        path = engine.local_path(location)
        query = f"select count(*), sum(hash(t)::hugeint) from iceberg_scan('{path}') t"
        if name == "rejects":
            query = query.replace("hash(t)", "hash(t.reason, t.event_id, t.raw)")
        return engine.duckdb_connection().execute(query).fetchone()


def interrupt(crash: Crash, fraction: float, number: int) -> int:
    """Start the run, signal it after that fraction of its time, return its exit code.

    Machines are not always equally busy: a run that ended too early tells how long one takes now, and is
    tried again."""
    for _ in range(3):
        process = subprocess.Popen(
            [str(engine.BINARY), *crash.command("one")],
            env=engine.clean_env(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        began = time.monotonic()
        try:
            process.wait(timeout=crash.seconds * fraction)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            return process.wait(timeout=10)
        crash.seconds = time.monotonic() - began
        crash.restore()
    return process.returncode


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Crash:
    crash = Large(tmp_path_factory.mktemp("large"))
    began = time.monotonic()
    assert crash.run() == 0
    crash.seconds = time.monotonic() - began
    crash.restore()
    return crash


def test_killed_at_moments(large):
    out = []
    killed = 0
    for n in range(KILLS):
        killed += interrupt(large, (n + 0.5) / KILLS, signal.SIGKILL) == -signal.SIGKILL
        out += large.check(f"moment {n}")
        large.restore()
        if len(out) > 20:
            break
    assert killed > KILLS // 3  # else the run was too short to be met
    assert not out, "\n".join(out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop(large, number):
    """Within ten seconds, nothing half-committed, exit 130; a run that was done already says 0. One that a busy machine had
    not begun yet dies of the signal, which a shell shows as 130 too."""
    out = []
    stopped = 0
    for n in range(6):
        code = interrupt(large, (n + 0.5) / 8, number)
        stopped += code == 130
        if code not in (0, 130, -number):
            out.append(f"moment {n}: exit {code}")
        out += large.check(f"moment {n}")
        large.restore()
    assert not out, "\n".join(out)
    assert stopped
