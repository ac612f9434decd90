"""Parquet files of one table, and what Iceberg wants to know of them (4.1–4.3)."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from . import s3
from .errors import could_not_write

ROLL_BYTES = 384 << 20  # 4.3: files of 128–512 MiB
ARROW_TYPES = {
    "string": pa.large_string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
FEW = pa.dictionary(pa.int32(), pa.large_string())


def local_path(location: str) -> str:
    """file:///x, file:/x and /x are the same."""
    if not location.startswith("file:"):
        return location
    return "/" + location.removeprefix("file:").lstrip("/")


@contextlib.contextmanager
def _writing(location: str) -> Iterator[None]:
    """Errors say which file."""
    try:
        with s3.telling(location, "write"):
            yield
    except OSError as e:
        if s3.is_s3(location):
            raise
        raise could_not_write(local_path(location), e) from e


class _File:
    def __init__(self, location: str) -> None:
        self.location = location
        self.sink: Any = None
        self.writer: Any = None
        self.footer: list[pq.FileMetaData] = []
        self.size = 0

    def begin(self, schema: pa.Schema, options: dict) -> None:
        with _writing(self.location):
            if s3.is_s3(self.location):
                self.sink = s3.open_output(self.location)
            else:
                path = Path(local_path(self.location))
                path.parent.mkdir(parents=True, exist_ok=True)
                self.sink = pa.OSFile(str(path), "wb")
            self.writer = pq.ParquetWriter(self.sink, schema, metadata_collector=self.footer, **options)

    def write(self, rows: pa.Table) -> None:
        with _writing(self.location):
            self.writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self.size = self.sink.tell()

    def close(self) -> None:
        with _writing(self.location):
            self.writer.close()
            self.size = self.sink.tell()
            try:
                self.sink.close()
            except OSError as e:
                if not s3.was_completed(self.location, self.size, e):
                    raise
        self.writer = self.sink = None  # a closed one keeps its buffers

    def discard(self) -> None:
        """Nothing names it."""
        if s3.is_s3(self.location):
            # Completed first: the stream's end would do it at any time.
            ends = [end.close for end in (self.writer, self.sink) if end]
            for step in (*ends, partial(s3.remove, self.location)):
                with contextlib.suppress(OSError, ValueError):
                    step()
        else:
            Path(local_path(self.location)).unlink(missing_ok=True)


class DataFiles:
    """One file for each day, or one in all where day is None; `write` may be called by several threads."""

    def __init__(
        self,
        table: Table,
        columns: Iterable[str],
        plain: Iterable[str],
        few: Iterable[str] = (),
        most_open: int = 0,
    ) -> None:
        """`plain`: without a dictionary. `few`: text that is on its way as a dictionary already. `most_open`: when so many
        files are open each ends with its next row group."""
        self.most_open = most_open
        self.table = table
        fields = [table.schema().find_field(c) for c in columns]
        self.schema = pa.schema(
            pa.field(
                f.name,
                FEW if f.name in few else ARROW_TYPES[str(f.field_type)],
                nullable=not f.required,
                metadata={b"PARQUET:field_id": str(f.field_id).encode()},
            )
            for f in fields
        )
        # A dictionary only where values repeat: for the others it is work that is thrown away.
        self.options = {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": [f.name for f in fields if f.name not in set(plain)],
            "store_schema": False,
            "write_page_index": False,
        }
        self.lock = threading.Lock()
        self.open: dict[int | None, tuple[threading.Lock, list[_File]]] = {}
        self.files: list[tuple[_File, int | None]] = []

    def table_of(self, rows: pa.Table) -> pa.Table:
        """These rows as they are written."""
        columns = [_few(c) if t == FEW else c for c, t in zip(rows.columns, self.schema.types)]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def write(self, rows: pa.Table, day: int | None = None) -> None:
        """One row group."""
        with self.lock:
            lock, current = self.open.setdefault(day, (threading.Lock(), []))
        with lock:
            if not current:
                current.append(self._new(day))
            file = current[0]
            file.write(rows.unify_dictionaries())
            if file.size > ROLL_BYTES or self._too_many_open():
                file.close()
                current.clear()

    def _too_many_open(self) -> bool:
        with self.lock:
            return 0 < self.most_open <= sum(bool(current) for _, current in self.open.values())

    def busy(self, day: int) -> bool:
        with self.lock:
            found = self.open.get(day)
        return found is not None and found[0].locked()

    def _new(self, day: int | None) -> _File:
        folder = f"{self.table.location().rstrip('/')}/data"
        if day is not None:
            name = self.table.spec().fields[0].name
            folder += f"/{name}={dt.date(1970, 1, 1) + dt.timedelta(days=day)}"
        file = _File(f"{folder}/{uuid.uuid4()}.parquet")
        with self.lock:
            self.files.append((file, day))  # before it is there, so that it is discarded whatever happens
        file.begin(self.schema, self.options)
        return file

    def close(self, day: int | None) -> None:
        """Ends this day's file; may be called by several threads."""
        _, current = self.open[day]
        for file in current:
            file.close()
        current.clear()

    def finish(self) -> list[DataFile]:
        for day in self.open:
            self.close(day)
        schema = self.table.schema()
        plan = compute_statistics_plan(schema, self.table.properties)
        ids = parquet_path_to_id_mapping(schema)
        return [self._data_file(file, day, plan, ids) for file, day in self.files]

    def discard(self) -> None:
        """Nothing names these files."""
        files = [file for file, _ in self.files]
        if any(s3.is_s3(file.location) for file in files):
            s3.each(_File.discard, files)
        else:
            for file in files:
                file.discard()

    def _data_file(
        self, file: _File, day: int | None, plan: dict[int, StatisticsCollector], ids: dict[str, int]
    ) -> DataFile:
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=file.footer[0],
            stats_columns=plan,
            parquet_column_mapping=ids,
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.location,
            file_format=FileFormat.PARQUET,
            partition=Record() if day is None else Record(day),
            file_size_in_bytes=file.size,
            sort_order_id=None,
            spec_id=self.table.metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )


def _few(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return column.dictionary_encode()
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(c.indices.cast(pa.int32()), c.dictionary) for c in column.chunks], FEW
    )


class DayBuffers:
    """Rows on their way to one file for each day: a row group is written when it is large enough, or when all that
    waits is too much. `add` may be called by several threads."""

    def __init__(self, files: DataFiles, group_bytes: int, limit_bytes: int) -> None:
        self.files = files
        self.group_bytes = group_bytes
        self.limit_bytes = limit_bytes
        self.lock = threading.Lock()
        self.waiting: dict[int, _Waiting] = {}
        self.bytes = 0
        self.turn = 0

    def add(self, day: int, rows: pa.Table) -> None:
        with self.lock:
            self.turn += 1
            waiting = self.waiting.setdefault(day, _Waiting())
            waiting.tables.append(rows)
            waiting.bytes += rows.nbytes
            waiting.turn = self.turn
            self.bytes += rows.nbytes
        # Two threads must not wait for one file: the rows of a busy day go on waiting, while there is room.
        if waiting.bytes >= self.group_bytes and not self.files.busy(day):
            self._write(day)
        while self.bytes > self.limit_bytes:
            with self.lock:
                # A day that nothing has been added to for long is over; else the largest.
                day = max(
                    self.waiting, key=lambda d: self.waiting[d].bytes * (self.turn - self.waiting[d].turn + 1)
                )
            self._write(day)

    def _write(self, day: int) -> None:
        with self.lock:
            waiting = self.waiting.pop(day, None)
            if waiting is None:
                return
            self.bytes -= waiting.bytes
        rows = pa.concat_tables(waiting.tables)
        del waiting
        self.files.write(rows, day)

    def days(self) -> list[int]:
        return sorted(self.waiting)

    def flush(self, day: int) -> None:
        self._write(day)


class _Waiting:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.bytes = 0
        self.turn = 0
