"""Parquet input (1.5): footers checked by the driver before any work, then Spark's own reader.

Columns that hold text go the way of CSV fields. Numbers and times are taken as they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from .errors import BadInput
from .job import COLUMNS, EPOCH_UNITS, SPARK_TYPES, Pipeline
from .reading import Opener, local
from .sqltext import literal, named

TEXT, WHOLE, FLOAT, NOTHING = "text", "whole", "float", "nothing"
TIME, NANOS, MILLIS = "time", "nanos", "millis"  # the latter two are read as numbers
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True)
class Columns:
    """What files must share to be read as one."""

    kinds: tuple[str, ...]  # for each of Pipeline.needed


@dataclass(frozen=True)
class ParquetSource:
    path: str
    layout: Columns
    rows: int

    @property
    def name(self) -> str:
        return os.path.basename(self.path)


def _kind(found: pa.DataType, int96: bool) -> str | None:
    if pa.types.is_dictionary(found):
        found = found.value_type
    tests = (
        (TEXT, pa.types.is_string),
        (TEXT, pa.types.is_large_string),
        (TEXT, pa.types.is_binary),
        (TEXT, pa.types.is_large_binary),
        (WHOLE, pa.types.is_integer),
        (FLOAT, pa.types.is_floating),
        (NOTHING, pa.types.is_null),
    )
    for kind, test in tests:
        if test(found):
            return kind
    if pa.types.is_timestamp(found):
        return TIME if int96 else {"ns": NANOS, "ms": MILLIS, "s": MILLIS}.get(found.unit, TIME)
    return None


def is_parquet(path: str, opened: Opener = local) -> bool:
    if path.endswith(".parquet"):
        return True
    try:
        with opened(path) as f:
            if f.read(4) != b"PAR1":
                return False
            f.seek(-4, os.SEEK_END)
            return f.read(4) == b"PAR1"
    except OSError:
        return False


def read_footers(paths: list[str], p: Pipeline, opened: Opener = local) -> list[ParquetSource]:
    return [_read_footer(path, p, opened) for path in paths]


def _read_footer(path: str, p: Pipeline, opened: Opener) -> ParquetSource:
    name = os.path.basename(path)
    try:
        with opened(path) as file:
            footer = pq.read_metadata(file)
        schema = footer.schema.to_arrow_schema()
    except (OSError, pa.ArrowException) as e:
        raise BadInput(f"{name}: {getattr(e, 'strerror', None) or e}".split("\n")[0]) from e
    physical = {
        footer.schema.column(i).path: footer.schema.column(i).physical_type for i in range(len(footer.schema))
    }
    wanted = ["string"] * 7 + [kind for _, kind in p.keep]
    wanted[2] = "timestamp"
    allowed = {
        "string": {TEXT},
        "timestamp": {TEXT, TIME, NANOS, MILLIS} | ({WHOLE} if p.timestamp in EPOCH_UNITS else set()),
        "long": {TEXT, WHOLE},
        "double": {TEXT, WHOLE, FLOAT},
    }
    kinds = []
    for column, want in zip(p.needed, wanted):
        if schema.names.count(column) != 1:
            what = "named twice" if column in schema.names else "not there"
            raise BadInput(f'{name}: column "{column}" is {what}')
        found = schema.field(column).type
        kind = _kind(found, physical.get(column) == "INT96")
        if kind not in allowed[want] | {NOTHING}:
            raise BadInput(f'{name}: column "{column}" is {found}, which will not do as {want}')
        kinds.append(str(kind))
    return ParquetSource(path, Columns(tuple(kinds)), footer.num_rows)


def _quoted(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"


class Footed:
    """The rows of all Parquet inputs, and what was observed of them once a job has run."""

    def __init__(self, spark: SparkSession, p: Pipeline, sources: list[ParquetSource]) -> None:
        self.spark, self.p, self.sources = spark, p, sources
        self.observed: list[tuple[Observation, list[str], list[ParquetSource]]] = []

    def counted(self) -> int:
        for seen, columns, sources in self.observed:
            for column, bad in zip(columns, seen.get.values()):
                if bad:
                    raise BadInput(f'{_which(self.spark, sources, column)}: column "{column}" is not UTF-8')
        return sum(s.rows for s in self.sources)

    def groups(self, paths: dict[str, str]) -> list[tuple[DataFrame, tuple[str, ...]]]:
        """Of each layout: `ok`, `line`, `source`, `f0`, `f1`, …, and which of these are text. The others are µs, for the
        timestamp, or numbers."""
        groups: dict[Columns, list[ParquetSource]] = {}
        for source in self.sources:
            groups.setdefault(source.layout, []).append(source)
        return [(self._group(k, of, paths), k.kinds) for k, of in groups.items()]

    def _group(self, layout: Columns, sources: list[ParquetSource], paths: dict[str, str]) -> DataFrame:
        names = " ".join(
            f"WHEN {literal(os.path.basename(paths[s.path]))} THEN {literal(s.name)}"
            for s in sources
            if paths[s.path] != s.path
        )
        source = (
            f"CASE _metadata.file_name {names} ELSE _metadata.file_name END"
            if names
            else "_metadata.file_name"
        )
        read = self._read(layout, [paths[s.path] for s in sources])
        fields = {}
        for i, (column, kind) in enumerate(zip(self.p.needed, layout.kinds)):
            fields[f"f{i}"] = (
                "CAST(NULL AS STRING)" if kind == NOTHING else self._value(i, _quoted(column), kind)
            )
        rows = read.selectExpr(
            "true AS ok", "CAST(NULL AS STRING) AS line", f"{source} AS source", *named(fields)
        )
        text = [i for i, kind in enumerate(layout.kinds) if kind == TEXT]
        if text:
            seen = Observation()
            self.observed.append((seen, [self.p.needed[i] for i in text], sources))
            rows = rows.observe(seen, *(F.expr(f"count_if(NOT is_valid_utf8(f{i})) AS n{i}") for i in text))
        return rows

    def _read(self, layout: Columns, files: list[str]) -> DataFrame:
        """Milliseconds as numbers: as times Spark fails on those that 64 bits cannot hold as µs."""
        reader = self.spark.read.option("recursiveFileLookup", "true")
        millis = {c for c, kind in zip(self.p.needed, layout.kinds) if kind == MILLIS}
        read = reader.parquet(*files)
        if not millis:
            return read
        fields = [StructField(f.name, LongType()) if f.name in millis else f for f in read.schema.fields]
        return reader.schema(StructType(fields)).parquet(*files)

    def _value(self, i: int, column: str, kind: str) -> str:
        if kind == TIME:
            return f"unix_micros(CAST({column} AS TIMESTAMP))"
        if kind == NANOS:
            return f"({column} - pmod({column}, 1000)) div 1000"
        if kind == TEXT:
            return f"CAST({column} AS STRING)"
        if i == len(COLUMNS[:2]):
            unit = 1000 if kind == MILLIS else EPOCH_UNITS[self.p.timestamp]
            us = f"CAST({column} AS DECIMAL(20)) * {unit}"
            return f"CAST(greatest({LONG_MIN}, least({LONG_MAX}, {us})) AS BIGINT)"
        return self._kept(column, kind, self.p.keep[i - len(COLUMNS)][1])

    def _kept(self, column: str, kind: str, want: str) -> str:
        """A struct, so that what does not fit can be told from what is missing."""
        value = f"CAST({column} AS {SPARK_TYPES[want]})"
        fits = f"abs({value}) < DOUBLE('Infinity')" if kind == FLOAT else "true"
        if want == "long":
            fits = f"{column} <= {LONG_MAX}"
        return f"named_struct('there', {column} IS NOT NULL, 'value', CASE WHEN {fits} THEN {value} END)"


def _which(spark: SparkSession, sources: list[ParquetSource], column: str) -> str:
    for source in sources:
        bad = spark.read.parquet(source.path).where(f"NOT is_valid_utf8(CAST({_quoted(column)} AS STRING))")
        if bad.limit(1).count():
            return source.name
    return sources[0].name
