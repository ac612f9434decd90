"""The ledger (5): every record is somewhere, or nothing is committed."""

from __future__ import annotations

import threading
import time
from collections import Counter

import polars as pl

from .errors import Unbalanced
from .job import REASONS, Job


class Progress:
    """`progress` events of one pass over the input, ten a second at most; may be told by several threads."""

    INTERVAL_S = 0.1

    def __init__(self, job: Job, number: int) -> None:
        self.job = job
        self.number = number  # of the pass
        self.lock = threading.Lock()
        self.rows = 0
        self.next_s = time.monotonic() + self.INTERVAL_S

    def add(self, rows: int) -> None:
        with self.lock:
            self.rows += rows
            now = time.monotonic()
            if now < self.next_s:
                return
            self.next_s = now + self.INTERVAL_S
            self.job.event("progress", rows=self.rows, **{"pass": self.number})


class Ledger:
    """Counts of one run; may be added to by several threads."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lock = threading.Lock()
        self.rows_in = self.rows_out = self.sessions = self.users = 0
        self.rejected: Counter[str] = Counter({r: 0 for r in REASONS})
        self.nulled: Counter[str] = Counter({name: 0 for name, _ in job.pipeline.keep})

    def add_records(self, records: int, nulled: dict[str, int]) -> None:
        with self.lock:
            self.rows_in += records
            self.nulled.update(nulled)

    def add_rejects(self, rejects: pl.DataFrame) -> None:
        counts = dict(rejects["reason"].value_counts().iter_rows())
        with self.lock:
            self.rejected.update(counts)

    def add_events(self, rows: int) -> None:
        with self.lock:
            self.rows_out += rows

    def add_sessions(self, sessions: int, users: int) -> None:
        with self.lock:
            self.sessions += sessions
            self.users += users

    def check(self) -> None:
        rejected = sum(self.rejected.values())
        if self.rows_in != self.rows_out + rejected:
            raise Unbalanced(f"the ledger does not balance: {self.rows_in} != {self.rows_out} + {rejected}")

    def summary(self) -> dict[str, str]:
        """5.2"""
        job = self.job
        return {
            "weir.run-id": job.run_id,
            "weir.stack": "pythonic",
            "weir.rows-in": str(self.rows_in),
            "weir.rows-out": str(self.rows_out),
            **{f"weir.rejected.{r}": str(self.rejected[r]) for r in REASONS},
            **{f"weir.nulled.{c}": str(n) for c, n in self.nulled.items()},
            "weir.events-table": f"{job.namespace}.{job.events}",
            "weir.rejects-table": f"{job.namespace}.{job.rejects}",
        }
