"""Duplicates (3.2): rows that share user, time and id wait here until all are seen, in DuckDB, which sorts on disk what
is more than its share of memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from .cleanse import REJECTS, keep_column
from .job import COLUMNS, Pipeline
from .timestamps import show

AT_ONCE = 1 << 16  # rows to hand over
OLDEST = pl.CompatLevel.oldest()


class Copies:
    """`add` may be called by several threads."""

    def __init__(self, folder: Path, p: Pipeline, sources: list[str], settings: dict[str, Any]) -> None:
        """`settings`: of DuckDB."""
        self.folder = folder
        self.p = p
        self.sources = sources
        self.settings = {**settings, "preserve_insertion_order": False}
        self.lock = threading.Lock()
        self.waiting: list[pl.DataFrame] = []
        self.waiting_rows = 0
        self.db: Any = None

    def add(self, events: pl.DataFrame, source: int) -> None:
        events = events.with_columns(source=pl.lit(source, pl.Int32))
        with self.lock:
            self.waiting.append(events)
            self.waiting_rows += events.height
            if self.waiting_rows >= AT_ONCE:
                self._hand_over()

    def _hand_over(self) -> None:
        import duckdb  # most inputs need it for nothing, and it takes its time

        rows = pl.concat(self.waiting).with_columns(pl.col(pl.Datetime).to_physical())
        self.waiting, self.waiting_rows = [], 0
        first = self.db is None
        if self.db is None:
            self.db = duckdb.connect(str(self.folder / "copies.duckdb"), config=self.settings)
        self.db.register("rows", rows.to_arrow(compat_level=OLDEST))
        self.db.execute("create table copies as from rows" if first else "insert into copies from rows")
        self.db.unregister("rows")

    def decide(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """The rows that are kept, and the rejects, bit by bit."""
        if self.waiting:
            self._hand_over()
        if self.db is None:
            return
        order = [
            "page_url",
            "referrer",
            "device",
            "ip_address",
            *(keep_column(n) for n in range(len(self.p.keep))),
        ]
        reader = self.db.execute(
            "select *, row_number() over (partition by user_id, event_time, event_id order by "
            + ", ".join(f"{c} nulls first" for c in order)
            + ") = 1 as kept from copies"
        ).to_arrow_reader(AT_ONCE)
        for batch in reader:
            frame = pl.from_arrow(pa.Table.from_batches([batch]))
            assert isinstance(frame, pl.DataFrame)
            frame = frame.with_columns(pl.col("event_time", "session_start").cast(pl.Datetime("us", "UTC")))
            yield frame.filter("kept").drop("kept", "source"), self._rejects(frame.filter(~pl.col("kept")))
        self.db.close()

    def _rejects(self, frame: pl.DataFrame) -> pl.DataFrame:
        shown = [
            c if c != "timestamp" else show(pl.col("event_time").to_physical()).alias(c) for c in COLUMNS
        ]
        if self.p.drop_ip:
            frame = frame.with_columns(ip_address=pl.lit(None, pl.String))
        return frame.select(
            pl.lit("duplicate_event").alias("reason"),
            *shown,
            pl.lit(None, pl.String).alias("raw"),
            pl.Series("source_file", self.sources, dtype=pl.String).gather(frame["source"]),
        ).match_to_schema(REJECTS)
