"""Parquet input (1.5), by batches of row groups."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from . import s3
from .errors import BadInput
from .fields import Parsed
from .job import Pipeline
from .reading import Source, closing_errors, identity
from .timestamps import LONG_MAX, LONG_MIN

READ_AHEAD = 1 << 20  # of each column
READ_AHEAD_S3 = 4 << 20


def _open(path: str) -> pq.ParquetFile:
    name = os.path.basename(path)
    with closing_errors(name):
        try:
            # Pages are read as they are needed, not whole column chunks; INT96 in µs has no overflow, and is floored.
            remote = s3.is_s3(path)
            return pq.ParquetFile(
                s3.open_file(path) if remote else path,
                buffer_size=READ_AHEAD_S3 if remote else READ_AHEAD,
                pre_buffer=False,
                coerce_int96_timestamp_unit="us",
            )
        except (pa.ArrowException, NotImplementedError, OSError) as e:
            _of_service(path, e)
            if "encrypted" in str(e):
                raise BadInput(f"{name}: is encrypted, all its columns; decrypt it first") from e
            if isinstance(e, OSError) and e.strerror:
                raise
            raise BadInput(f"{name}: not a readable Parquet file: {_line(e)}") from e


def _of_service(path: str, e: Exception) -> None:
    """Raises what is S3's fault, not the file's."""
    if s3.is_of_s3(path, e):
        raise s3.explained(path, "read", e) from e


def _line(e: Exception) -> str:
    return str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__


def _is_text(t: pa.DataType) -> bool:
    return pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t)


def _is_bytes(t: pa.DataType) -> bool:
    """Text of old files of Spark and Athena, which do not say so."""
    return pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_binary_view(t)


def _fits(t: pa.DataType, role: str, p: Pipeline) -> bool:
    if _is_text(t) or _is_bytes(t) or pa.types.is_null(t):
        return True
    if role == "timestamp":
        return pa.types.is_timestamp(t) or (p.timestamp != "iso8601" and pa.types.is_integer(t))
    if role == "long":
        return pa.types.is_integer(t)
    return role == "double" and (pa.types.is_integer(t) or pa.types.is_floating(t))


def read_header(path: str, index: int, p: Pipeline) -> Source:
    name = os.path.basename(path)
    with closing_errors(name):
        before = identity(path)
    file = _open(path)
    top = [file.schema_arrow.field(i) for i in range(len(file.schema_arrow))]
    names = [f.name.strip(" \t") for f in top]
    roles = [(p.columns[c], "timestamp" if c == "timestamp" else "text") for c in p.columns]
    roles += [(column, kind) for column, kind in p.keep]
    where = {}
    for wanted, role in roles:
        if names.count(wanted) != 1:
            what = "there twice" if wanted in names else "not there"
            raise BadInput(f'{name}: column "{wanted}" is {what}')
        where[wanted] = at = names.index(wanted)
        t = top[at].type
        if pa.types.is_nested(t):
            raise BadInput(f'{name}: column "{wanted}" is nested')
        if not _fits(t, role, p):
            hint = (
                "; say clean.timestamp: epoch_s, epoch_ms or epoch_us"
                if role == "timestamp" and pa.types.is_integer(t)
                else ""
            )
            raise BadInput(f'{name}: column "{wanted}" is {t}, which does not serve as {role}{hint}')
    return Source(path, name, index, len(top), where, before)


def frames(source: Source, p: Pipeline, size: int, columns: Iterable[str]) -> Iterator[Parsed]:
    file = _open(source.path)
    schema = file.schema_arrow
    wanted = sorted({source.where[c] for c in columns})
    leaves = _leaves(file)
    names = [schema.field(w).name for w in wanted]
    for groups, rows in _together(file, size):
        try:
            batches = file.iter_batches(
                batch_size=rows, row_groups=groups, columns=[leaves[w] for w in wanted]
            )
            for batch in batches:
                yield _parsed(batch, source, wanted, names)
        except (pa.ArrowException, OSError) as e:
            _of_service(source.path, e)
            raise BadInput(f"{source.name}: {_column_of(file, groups, wanted, names)}: {_line(e)}") from e


def _together(file: pq.ParquetFile, size: int) -> Iterator[tuple[list[int], int]]:
    """Row groups, small ones together, and how many of their rows make a block of about `size` bytes."""
    groups: list[int] = []
    rows = total = 0
    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        taken = about.total_byte_size + 16 * len(file.schema_arrow) * about.num_rows
        if groups and total + taken > size:
            yield groups, max(1, rows * size // max(size, total))
            groups, rows, total = [], 0, 0
        groups.append(group)
        rows += about.num_rows
        total += taken
    if groups:
        yield groups, max(1, rows * size // max(size, total))


def _leaves(file: pq.ParquetFile) -> dict[int, str]:
    """The paths of the top-level columns that are flat."""
    paths = [file.schema.column(i).path for i in range(len(file.schema))]
    return {n: f.name for n, f in enumerate(file.schema_arrow) if f.name in paths}


def _column_of(file: pq.ParquetFile, groups: list[int], wanted: list[int], names: list[str]) -> str:
    """Which column of these row groups cannot be read."""
    for name in names:
        try:
            for _ in file.iter_batches(batch_size=1 << 14, row_groups=groups, columns=[name]):
                pass
        except (pa.ArrowException, OSError):
            return f'column "{name}" cannot be read'
    return "cannot be read"


def _parsed(batch: pa.RecordBatch, source: Source, wanted: list[int], names: list[str]) -> Parsed:
    columns = {}
    for w, name, array in zip(wanted, names, batch.columns):
        if pa.types.is_timestamp(array.type):
            array = _as_us(array)
        elif pa.types.is_null(array.type):
            array = pa.nulls(len(array), pa.string())
        elif _is_text(array.type) or _is_bytes(array.type):
            try:
                array.validate(full=True)
                array = array.cast(pa.large_string()) if _is_bytes(array.type) else array
            except pa.ArrowInvalid as e:
                raise BadInput(f'{source.name}: column "{name}" has text that is not UTF-8') from e
        columns[str(w)] = pl.Series(str(w), array)
    frame = pl.DataFrame(columns).rechunk()
    return Parsed(frame, [], batch.num_rows)


def _as_us(array: pa.Array) -> pa.Array:
    unit = array.type.unit
    numbers = pl.Series(array.cast(pa.timestamp(unit)).view(pa.int64()))
    if unit == "ns":
        numbers = numbers // 1000
    elif unit != "us":
        # Where 64 bits end it stays there.
        factor = {"ms": 1000, "s": 1_000_000}[unit]
        most = LONG_MAX // factor
        past, before = (numbers > most).fill_null(False), (numbers < -most).fill_null(False)
        numbers = (numbers.clip(-most, most) * factor).set(past, LONG_MAX).set(before, LONG_MIN)
    return numbers.cast(pl.Datetime("us")).to_arrow()
