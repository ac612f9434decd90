"""One run: keys of all rows → sessions → all rows again, to files by day → two commits."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from . import limits, s3
from .cleanse import FEW_VALUES, REQUIRED, Cleanser
from .committing import (
    BY_DAY,
    EVENT_FIELDS,
    Target,
    catalog_errors,
    events_schema,
    open_catalog,
    rejects_schema,
)
from .copies import Copies
from .country import Countries
from .errors import BadInput, Failed, changed, said
from .fields import Shape
from .inputs import Part, check_unchanged, parts, read_headers
from .job import COLUMNS, REASONS, Job
from .keys import KEY_BYTES, ROW_BITS, ROW_MASK, KeyStore, Verdicts, keys_of
from .ledger import Ledger, Progress
from .reading import Source
from .sessions import sessionize
from .versions import versions
from .writing import DataFiles, DayBuffers

UNPACKED = 8  # how much larger a compressed file is taken to be
ROW_BYTES = 100  # of input, a guess on the safe side
GROUP_BYTES = 48 << 20
WAITING = 256 << 20  # of rows for all days
DAY_US = 86_400_000_000
REJECTS_GROUP = 1 << 17
# Or repeated by the row before (`by_day`), which compression finds without a dictionary.
UNREPEATED = ("event_id", "event_time", "user_id", "session_id", "session_start")
OLDEST = pl.CompatLevel.oldest()


def block_bytes(memory: int, workers: int) -> int:
    return min(8 << 20, max(1 << 20, memory // (80 * workers)))


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


def by_day(events: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Each day's rows, sessions together, so that Parquet finds their values repeated. They share no memory with
    other days' that would keep those alive."""
    if not events.height:
        return
    day = events["event_time"].to_physical().to_numpy() // DAY_US
    start = events["session_start"].to_physical().to_numpy()
    order = _by_number(start)
    day = day[order]
    if day.min() != day.max():
        days = np.argsort((day - day.min()).astype(np.int32), kind="stable")
        order, day = order[days], day[days]
    edges = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    for at, end in zip(edges.tolist(), [*edges[1:].tolist(), len(day)]):
        yield int(day[at]), events[pl.Series(order[at:end].astype(np.uint32))]


def _by_number(numbers: np.ndarray) -> np.ndarray:
    """The order of these numbers; equal ones as they stand."""
    low, row_bits = int(numbers.min()), len(numbers).bit_length()
    if (int(numbers.max()) - low) >> (63 - row_bits):
        return np.argsort(numbers, kind="stable")
    # One number with its row's: NumPy sorts values several times as fast as it sorts rows by them.
    keys = ((numbers - low) << row_bits) | np.arange(len(numbers))
    keys.sort()
    return keys & ((1 << row_bits) - 1)


def _give_back() -> None:
    """What NumPy's keys took: the rows that wait are Polars' and Arrow's, which have memory of their own."""
    with contextlib.suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True)
class Known:
    """What the first pass leaves to the second of a block."""

    events: int
    shape: Shape | None
    reasons: np.ndarray | None  # of `Judged`


class Run:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.p = job.pipeline
        self.ledger = Ledger(job)
        self.pending: list[pa.Table] = []  # rejects too few for a row group

    def prepare(self) -> None:
        """Everything that can be refused, before any work (exit 3)."""
        job = self.job
        s3.use(job.catalog.get("s3"))
        s3.check([*job.inputs, job.catalog["warehouse"]])
        self.sources = read_headers(self.p, job.inputs)
        self.countries = Countries(job.mmdb)
        with catalog_errors(job):
            catalog = open_catalog(job)
            self.events = Target(catalog, job, job.events, events_schema(self.p), BY_DAY)
            self.rejects = Target(catalog, job, job.rejects, rejects_schema(), type(BY_DAY)())
        names = [name for name, _, _ in EVENT_FIELDS]
        keep = [name for name, _ in self.p.keep]
        doubles = [name for name, kind in self.p.keep if kind == "double"]
        remote = s3.is_s3(self.events.table.location())
        self.event_files = DataFiles(
            self.events.table,
            names + keep,
            [*UNREPEATED, *doubles],
            FEW_VALUES,
            most_open=max(4, job.memory_bytes // 8 // s3.PART_BYTES) if remote else 0,
        )
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
            with hold():  # a second signal must not keep the files
                if not self.rejects.committed:
                    self.reject_files.discard()
                if not self.events.committed:
                    self.event_files.discard()
        return self._result()

    def _work(self) -> None:
        job = self.job
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.folder = Path(tempfile.mkdtemp(prefix="pythonic-", dir=job.tmp_dir))
        self.pool = ThreadPoolExecutor(job.cpus)
        self.duckdb = {
            "memory_limit": f"{max(64, job.memory_bytes >> 23)}MiB",
            "threads": job.cpus,
            "temp_directory": str(self.folder / "duckdb"),
        }
        try:
            self.cleanser = Cleanser(self.p, self.countries)
            self._read_keys()
            self._make_sessions()
            self._write_events()
            check_unchanged(self.sources)
        finally:
            self.pool.shutdown(wait=True, cancel_futures=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _in_threads(self, work: Callable[[Any], None], items: Iterable) -> None:
        in_threads(self.pool, self.job.cpus, work, items)

    def _parts(self, columns: list[str]) -> Iterator[tuple[int, Source, Part]]:
        """Each with its number, the same in both passes."""
        size = block_bytes(self.job.memory_bytes, self.job.cpus)
        n = 0
        for source in self.sources:
            for part in parts(source, self.p, size, columns, self.duckdb):
                yield n, source, part
                n += 1

    def _read_keys(self) -> None:
        """The first pass: only what sessions need."""
        memory = self.job.memory_bytes
        size = sum(s.identity[2] * (UNPACKED if s.packed else 1) for s in self.sources)
        # Each worker sorts one partition, which takes about four times its keys, in an eighth of the memory in all.
        partitions = -(-size // ROW_BYTES * KEY_BYTES * 4 * self.job.cpus // max(1, memory // 8))
        self.keys = KeyStore(self.folder, min(1024, max(8 * self.job.cpus, partitions)), memory // 6)
        self.known: dict[int, Known] = {}  # of each block
        columns = [self.p.columns[c] for c in REQUIRED]
        self.progress = Progress(self.job, 1)
        self._in_threads(self._key_part, self._parts(list(dict.fromkeys(columns))))

    def _key_part(self, item: tuple[int, Source, Part]) -> None:
        n, source, part = item
        parsed = part()
        self.progress.add(parsed.records)
        judged = self.cleanser.judge(parsed, source)
        self.known[n] = Known(len(judged.us), parsed.shape, judged.reasons)
        if len(judged.us):
            users, ids = self.cleanser.ids(judged, source)
            self.keys.add(keys_of(users, judged.us, ids, n))

    def _make_sessions(self) -> None:
        counts = [self.known[n].events for n in range(len(self.known))]
        self.verdicts = Verdicts.make(self.folder, counts, self.job.memory_bytes // 8)
        self.undecided: dict[int, np.ndarray] = {}
        self.texts: tuple[np.ndarray, pl.Series] | None = None
        self._in_threads(self._partition, range(self.keys.partitions))
        if self.undecided:
            self.texts = self._ids_of(np.sort(np.concatenate(list(self.undecided.values()))))
            again, self.undecided = list(self.undecided), {}
            self._in_threads(self._partition, again)
            self.texts = None
        _give_back()

    def _partition(self, n: int) -> None:
        done = sessionize(self.keys.read(n), self.p.gap_us, self.verdicts, self.texts)
        if len(done.undecided):
            self.undecided[n] = done.undecided
            return
        self.keys.drop(n)
        self.ledger.add_sessions(done.sessions, done.users)

    def _ids_of(self, where: np.ndarray) -> tuple[np.ndarray, pl.Series]:
        """The event ids of these rows, read again."""
        blocks, first = np.unique(where >> ROW_BITS, return_index=True)
        last = np.append(first[1:], len(where))
        wanted = {int(b): where[i:j] & ROW_MASK for b, i, j in zip(blocks, first, last)}
        found: dict[int, pl.Series] = {}

        def find(item: tuple[int, Source, Part]) -> None:
            n, source, part = item
            if n in wanted:
                judged = self.cleanser.judge(part(self.known[n].shape), source)
                found[n] = self.cleanser.ids(judged, source)[1].gather(wanted[n]).rechunk()

        self._in_threads(find, self._parts([self.p.columns[c] for c in REQUIRED]))
        return where, pl.concat([found[n] for n in sorted(wanted)])

    def _write_events(self) -> None:
        """The second pass: every row goes to its table."""
        job = self.job
        names = [s.name for s in self.sources]
        self.copies = Copies(self.folder, self.p, names, self.duckdb)
        waiting = min(job.memory_bytes // 8, WAITING)
        self.days = DayBuffers(self.event_files, min(GROUP_BYTES, waiting // 4), waiting)
        columns = [*self.p.columns.values(), *(name for name, _ in self.p.keep)]
        self.progress = Progress(job, 2)
        self._in_threads(self._event_part, self._parts(list(dict.fromkeys(columns))))
        for kept, rejects in self.copies.decide():
            self._add_events(kept)
            self._add_rejects(rejects)
        self._in_threads(self.days.flush, self.days.days())
        self._flush_rejects(1)
        self._in_threads(self.event_files.close, list(self.event_files.open))
        self._in_threads(self.reject_files.close, list(self.reject_files.open))

    def _event_part(self, item: tuple[int, Source, Part]) -> None:
        n, source, part = item
        known = self.known.pop(n, None)
        if known is None:
            raise changed(source.name)
        verdicts = self.verdicts.of_block(n)
        number = verdicts[-1]
        parsed = part(known.shape, timeless=known.reasons is None)
        done = self.cleanser.cleanse(parsed, source, known.reasons, verdicts)
        self.ledger.add_records(parsed.records, done.nulled)
        self.progress.add(parsed.records)
        self._add_rejects(done.rejects)
        events = done.events
        if (number < 0).any():
            one_of_several = pl.Series(number < 0)
            copies = events.filter(one_of_several).with_columns(
                -pl.col("event_seq"), pl.col(FEW_VALUES).cast(pl.String)
            )
            self.copies.add(copies, source.index)
            events = events.filter(~one_of_several)
        self._add_events(events)

    def _add_events(self, events: pl.DataFrame) -> None:
        self.ledger.add_events(events.height)
        if self.p.drop_ip:
            events = events.with_columns(ip_address=pl.lit(None, pl.String))
        for day, rows in by_day(events):
            arrow = rows.to_arrow(compat_level=OLDEST)
            self.days.add(day, self.event_files.table_of(arrow))

    def _add_rejects(self, rejects: pl.DataFrame) -> None:
        if not rejects.height:
            return
        self.ledger.add_rejects(rejects)
        arrow = rejects.to_arrow(compat_level=OLDEST)
        with self.ledger.lock:
            self.pending.append(self.reject_files.table_of(arrow))
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
            name = ".".join(target.identifier)
            try:
                with s3.telling(target.table.location(), "write"):
                    target.commit(files.finish(), summary)
            except (BadInput, Failed) as e:
                raise Failed(f"could not commit {name}: {e}") from e
            except Exception as e:
                raise Failed(f"could not commit {name}: {said(e)}") from e

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
                "memory_bytes": limits.memory_bytes(),
                "threads": pl.thread_pool_size(),
            },
        }
