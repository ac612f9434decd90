"""PostgreSQL killed, or its answer lost, at ten moments of a run, for each stack: the run succeeds or says in a line that it
did not; the table is whole; done again under the same run id, the run's rows are there once.
"""

from __future__ import annotations

import collections
import os
import threading

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from tools import engine, postgres, served
from tools.wire import Wire

HEADER = "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"
MOMENTS = 10
pytestmark = pytest.mark.skipif(not postgres.programs(), reason=postgres.MISSING)


@pytest.fixture(scope="module")
def server():
    with postgres.temporary() as server:
        yield server


class Runs:
    """Of one stack, in one session where it has `serve`, into one table of a namespace of its own."""

    def __init__(self, stack: str, server: postgres.Postgres, folder, mmdb) -> None:
        self.stack, self.server, self.folder, self.mmdb = stack, server, folder, mmdb
        self.env = dict(server.env)
        if stack != "native":
            os.environ.update(server.env)  # a session has its environment from its start
            self.env["WEIR_STACKS"] = str(served.stacks(engine.ROOT / "stacks" / stack))
        self.expected: collections.Counter[str] = collections.Counter()

    def run(self, run_id: str, port: int) -> engine.Outcome:
        source = self.folder / f"{run_id}.csv"
        source.write_text(HEADER + f"{run_id},w,2024-01-02T03:04:05Z,/,,,\n")
        where = ["--catalog", self.server.uri(port=port), "--warehouse", f"file://{self.folder}/warehouse"]
        return engine.weir(
            *("run", "--mode", "append", "--run-id", run_id, "--namespace", self.stack, "--mmdb", self.mmdb),
            *(*where, "--stack", self.stack, source),
            env=self.env,
            timeout=180,
        )

    def check(self, run_id: str, committed: bool) -> None:
        """Exactly the rows of the runs that were committed, and of this one if it was."""
        uri = self.server.uri(password=True).replace("postgresql://", "postgresql+psycopg://")
        table = SqlCatalog("weir", uri=uri, warehouse=f"file://{self.folder}/warehouse").load_table(
            f"{self.stack}.events"
        )
        ids = collections.Counter(
            table.scan(selected_fields=("event_id",)).to_arrow()["event_id"].to_pylist()
        )
        assert ids in [
            self.expected + collections.Counter([run_id] * n) for n in ([1] if committed else [0, 1])
        ]

    def finish(self, run_id: str, done: engine.Outcome) -> None:
        """What it said holds; done again, its rows are there once."""
        assert done.code in (0, 4), done.err
        assert self.server.password not in done.err + done.out
        if done.code:  # the stack's line, and weir's
            assert (
                1 <= len(done.err.splitlines()) <= 2 and max(map(len, done.err.splitlines())) < 400
            ), done.err
        self.check(run_id, committed=done.code == 0)
        again = self.run(run_id, self.server.port)
        assert again.code == 0, again.err
        self.check(run_id, committed=True)
        self.expected[run_id] = 1


@pytest.fixture(scope="module", params=["native", "pythonic", "spark"])
def runs(request, server, tmp_path_factory, small_mmdb):
    if engine.weir("stack", "check", request.param).code:
        pytest.skip(f"the stack {request.param} is not set up: weir stack setup {request.param}")
    runs = Runs(request.param, server, tmp_path_factory.mktemp(request.param), small_mmdb)
    first = runs.run("first", server.port)
    assert first.code == 0, first.err
    runs.expected["first"] = 1
    with Wire(server.port) as wire:
        assert runs.run("counted", wire.port).code == 0
        runs.messages = wire.seen
    runs.expected["counted"] = 1
    return runs


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed(runs, server, moment):
    run_id = f"run-{moment}"
    number = 1 + moment * runs.messages // MOMENTS
    back, harmed, killed = threading.Timer(moment % 3 / 2, server.start), [], threading.Event()

    def kill() -> None:
        server.kill()
        back.start()
        killed.set()

    def rule(n: int, data: bytes):
        if n != number:
            return None
        harmed.append(n)
        return kill if moment % 2 else "lose"

    try:
        with Wire(server.port, rule) as wire:
            done = runs.run(run_id, wire.port)
    finally:
        if harmed and moment % 2:
            assert killed.wait(60)
            back.join()
    assert harmed, f"it sent only {wire.seen} messages"
    runs.finish(run_id, done)


def test_answer_to_a_commit_lost(runs, server):
    """It has happened, though the stack is told otherwise: its files stay."""
    sign, seen = b"COMMIT" if runs.stack == "pythonic" else b"UPDATE iceberg_tables", []

    def rule(n: int, data: bytes) -> str | None:
        if sign in data:
            seen.append(n)
            return "lose" if len(seen) == 2 else None  # of rejects, then of events
        return None

    with Wire(server.port, rule) as wire:
        done = runs.run("lost", wire.port)
    assert len(seen) >= 2, seen
    runs.check("lost", committed=True)
    runs.finish("lost", done)
