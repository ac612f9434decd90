"""One run: blocks → cleansed rows → partitions by user → sessions → files by day → two commits."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from .cleanse import Cleanser
from .cleanse import events_schema as travelling
from .committing import BY_DAY, EVENT_FIELDS, Target, events_schema, open_catalog, rejects_schema
from .country import Countries
from .fields import parse
from .job import COLUMNS, REASONS, Job
from .ledger import Ledger
from .reading import Block, blocks, read_headers
from .sessions import sessionize
from .spill import Spill, partitions_for
from .versions import versions
from .writing import DataFiles

UNPACKED = 8  # how much larger a compressed file is taken to be
REJECTS_GROUP = 1 << 17
OLDEST = pl.CompatLevel.oldest()


def block_bytes(memory: int, workers: int) -> int:
    return min(16 << 20, max(1 << 20, memory // (40 * workers)))


def in_threads(pool: ThreadPoolExecutor, workers: int, work: Callable[[Any], None], items: Iterable) -> None:
    """All items, no more than one waiting for each worker: memory stays bounded."""
    running: set[Future] = set()
    for item in items:
        while len(running) >= 2 * workers:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for f in done:
                f.result()
        running.add(pool.submit(work, item))
        del item
    for f in running:
        f.result()


class Run:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.p = job.pipeline
        self.ledger = Ledger(job)
        self.pending: list[pa.Table] = []  # rejects too few for a row group

    def prepare(self) -> None:
        """Everything that can be refused, before any work (exit 3)."""
        job = self.job
        self.sources = read_headers(self.p, job.inputs)
        self.countries = Countries(job.mmdb)
        catalog = open_catalog(job)
        self.events = Target(catalog, job, job.events, events_schema(self.p), BY_DAY)
        self.rejects = Target(catalog, job, job.rejects, rejects_schema(), type(BY_DAY)())
        names = [name for name, _, _ in EVENT_FIELDS]
        keep = [name for name, _ in self.p.keep]
        doubles = [name for name, kind in self.p.keep if kind == "double"]
        self.event_files = DataFiles(self.events.table, names + keep, ["event_id", "event_time", *doubles])
        self.reject_files = DataFiles(
            self.rejects.table, ("reason", *COLUMNS, "raw", "source_file"), ["event_id", "raw"]
        )

    def execute(self, hold: Callable[[], AbstractContextManager]) -> dict[str, Any]:
        held = self.events.held()
        if held and self.rejects.held():
            print(f"run {self.job.run_id} is in both tables already: nothing to do", file=sys.stderr)
            return self._repeated(held)
        try:
            self._work()
            self.ledger.check()
            with hold():  # no signal between the two commits
                self._commit()
        finally:
            if not self.rejects.committed:
                self.reject_files.discard()
            if not self.events.committed:
                self.event_files.discard()
        return self._result()

    def _work(self) -> None:
        job = self.job
        folder = Path(tempfile.mkdtemp(prefix="pythonic-", dir=job.tmp_dir))
        pool = ThreadPoolExecutor(job.cpus)
        try:
            size = sum(
                os.path.getsize(s.path) * (UNPACKED if s.path.endswith((".gz", ".zst")) else 1)
                for s in self.sources
            )
            partitions = partitions_for(size, job.memory_bytes, job.cpus)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if soft < hard:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self.cleanser = Cleanser(self.p, self.countries)
            self.spill = Spill(folder, travelling(self.p), partitions)
            in_threads(pool, job.cpus, self._block, self._blocks())
            self.spill.finish()
            in_threads(pool, job.cpus, self._partition, range(partitions))
            self._flush_rejects(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _blocks(self) -> Iterator[Block]:
        size = block_bytes(self.job.memory_bytes, self.job.cpus)
        for source in self.sources:
            yield from blocks(source, self.p, size)

    def _block(self, block: Block) -> None:
        may_need_trim = b" " in block.data or b"\t" in block.data
        cleansed = self.cleanser.cleanse(parse(block, self.p), block.source, may_need_trim)
        self.ledger.add_records(cleansed.records, cleansed.nulled)
        self._add_rejects(cleansed.rejects)
        if cleansed.events.height:
            self.spill.add(cleansed.events)

    def _partition(self, n: int) -> None:
        frame = self.spill.take(n)
        if not frame.height:
            return
        sources = [s.name for s in self.sources]
        done = sessionize(frame, self.p, sources)
        del frame
        self.ledger.add_events(done.events.height, done.sessions, done.users)
        self._add_rejects(done.rejects)
        schema = self.event_files.schema
        rows = done.events.to_arrow(compat_level=OLDEST)
        days = done.days
        del done
        for day, at, count in days:
            part = rows.slice(at, count).columns
            self.event_files.write(pa.Table.from_arrays(part, schema=schema), day)

    def _add_rejects(self, rejects: pl.DataFrame) -> None:
        if not rejects.height:
            return
        self.ledger.add_rejects(rejects)
        arrow = rejects.to_arrow(compat_level=OLDEST)
        with self.ledger.lock:
            self.pending.append(pa.Table.from_arrays(arrow.columns, schema=self.reject_files.schema))
        self._flush_rejects(REJECTS_GROUP)

    def _flush_rejects(self, at_least: int) -> None:
        with self.ledger.lock:
            if sum(t.num_rows for t in self.pending) < at_least:
                return
            rows, self.pending = pa.concat_tables(self.pending), []
        self.reject_files.write(rows)

    def _commit(self) -> None:
        """4.5: rejects first; the run has happened when events has its snapshot."""
        summary = self.ledger.summary()
        for target, files in ((self.rejects, self.reject_files), (self.events, self.event_files)):
            if target.held():
                print(f"run {self.job.run_id} is in {target.identifier[1]} already: skipped", file=sys.stderr)
                continue
            try:
                target.commit(files.finish(), summary)
            except Exception as e:
                raise RuntimeError(f"could not commit {'.'.join(target.identifier)}: {e}") from e

    def _repeated(self, summary: dict[str, str]) -> dict[str, Any]:
        ledger = self.ledger
        ledger.rows_in = int(summary.get("weir.rows-in", 0))
        ledger.rows_out = int(summary.get("weir.rows-out", 0))
        ledger.rejected.update({r: int(summary.get(f"weir.rejected.{r}", 0)) for r in REASONS})
        return self._result()

    def _result(self) -> dict[str, Any]:
        job, ledger = self.job, self.ledger
        return {
            "run_id": job.run_id,
            "stack": "pythonic",
            "rows_in": ledger.rows_in,
            "rows_out": ledger.rows_out,
            "rejected": dict(ledger.rejected),
            "nulled": dict(ledger.nulled),
            "sessions": ledger.sessions,
            "users": ledger.users,
            "tables": {"events": self.events.result(), "rejects": self.rejects.result()},
            "versions": versions(),
            "seen": {
                "cpus": len(os.sched_getaffinity(0)),
                "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
                "threads": pl.thread_pool_size(),
            },
        }
