"""Cleansed events on their way to the sessions: in memory if they are few, else in files by user."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa


def partitions_for(bytes_in: int, memory: int, workers: int) -> int:
    """So many that each worker can hold and sort one (about three times its text) in half the memory."""
    return max(1, -(-bytes_in * 3 * workers // max(1, memory // 2)))


class Spill:
    """Rows of one user are in one partition. `add` may be called by several threads."""

    def __init__(self, folder: Path, schema: pl.Schema, partitions: int) -> None:
        self.schema = schema
        self.partitions = partitions
        self.frames: list[pl.DataFrame] = []
        self.folder = folder
        self.locks = [threading.Lock() for _ in range(partitions)]
        self.writers: list[pa.RecordBatchStreamWriter] = []
        if partitions > 1:
            arrow = schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
            self.writers = [pa.ipc.new_stream(str(self._path(n)), arrow) for n in range(partitions)]

    def _path(self, n: int) -> Path:
        return self.folder / f"part-{n:04d}.arrows"

    def add(self, events: pl.DataFrame) -> None:
        if self.partitions == 1:
            with self.locks[0]:
                self.frames.append(events)
            return
        part = (events["user_id"].hash(1) % self.partitions).to_numpy().astype(np.int32)
        order = np.argsort(part, kind="stable")
        arrow = events.select(pl.all().gather(order)).to_arrow(compat_level=pl.CompatLevel.oldest())
        counts = np.bincount(part, minlength=self.partitions).tolist()
        at = 0
        for n, count in enumerate(counts):
            if count:
                with self.locks[n]:
                    self.writers[n].write_table(arrow.slice(at, count))
            at += count

    def finish(self) -> None:
        for writer in self.writers:
            writer.close()

    def take(self, n: int) -> pl.DataFrame:
        """One partition, which is gone afterwards."""
        if self.partitions == 1:
            frames, self.frames = self.frames, []
            return pl.concat(frames, rechunk=True) if frames else self.schema.to_frame()
        path = self._path(n)
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            table = stream.read_all()
        path.unlink()
        frame = pl.from_arrow(table, rechunk=True)
        assert isinstance(frame, pl.DataFrame)
        return frame
