"""Records of the input as DataFrames (1.2, 1.4, 1.7), counted as they are read (5.1)."""

from __future__ import annotations

import os
import re

import pyarrow as pa
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from .errors import BadInput
from .fields import ROWS_OF_FILE, split_records, without_line_end
from .job import Pipeline
from .reading import RECORD_MAX, Layout, Source, cut_records, local, too_long
from .s3 import Store, is_s3
from .sqltext import literal

MIB = 1 << 20
UNPACKED = 8  # how much larger a compressed file is taken to be
SMALL = 32 * MIB
ODD = set("*?[]{}\\,")  # what Hadoop takes for a pattern in a path
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def input_bytes(paths: list[str], store: Store | None) -> int:
    looks = store.looks if store else {}
    sizes = {p: looks[p].size if p in looks else os.path.getsize(p) for p in paths}
    return sum(size * (UNPACKED if p.endswith((".gz", ".zst")) else 1) for p, size in sizes.items())


def plan_pieces(spark: SparkSession, total: int, cpus: int) -> None:
    """Several pieces for each CPU, and never two in one partition: see `_behind_header`."""
    piece = min(64 * MIB, max(8 * MIB, total // (4 * cpus)))
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(piece))
    spark.conf.set("spark.sql.files.openCostInBytes", str(piece))


def spark_path(path: str, folder: str, number: int, store: Store | None, here: bool = False) -> str:
    """As Spark takes it: a name that it would read as a pattern, pass over as hidden, or show encoded as in a URL, goes by
    a link, or a copy of the object. `here`: an object has to be copied."""
    name = os.path.basename(path)
    if not ODD & set(path) and PLAIN.fullmatch(name) and not (here and is_s3(path)):
        return path
    link = os.path.join(folder, f"in{number}{os.path.splitext(name)[1]}")
    if store and is_s3(path):
        store.fetch(path, link)
    else:
        os.symlink(path, link)
    return link


class Reading:
    """The input's records, and what was observed of them once a job has run."""

    def __init__(
        self, spark: SparkSession, p: Pipeline, sources: list[Source], folder: str, store: Store | None
    ) -> None:
        self.spark, self.p, self.sources, self.folder, self.store = spark, p, sources, folder, store
        self.observed: list[Observation] = []
        self.names: dict[str, str] = {}

    def groups(self) -> list[DataFrame]:
        """Of each layout: `ok`, `line`, `source`, `f0`, `f1`, …"""
        groups: dict[Layout, list[Source]] = {}
        for source in self.sources:
            groups.setdefault(source.layout, []).append(source)
        return [self._group(layout, of) for layout, of in groups.items()]

    def _group(self, layout: Layout, sources: list[Source]) -> DataFrame:
        if not self.p.strict:
            return self._idiomatic(layout, sources)
        if self.p.multiline:
            return split_records(self._cut(sources), self.p, layout)
        return split_records(self._behind_header(layout, sources), self.p, layout)

    def _observe(self, rows: DataFrame, length: str = "0", error: str = "NULL") -> DataFrame:
        seen = Observation()
        self.observed.append(seen)
        return rows.observe(
            seen,
            F.expr("count(*) AS records"),
            F.expr(f"max({length}) AS longest"),
            F.expr(f"max(CAST({error} AS STRING)) AS error"),
        )

    def counted(self) -> int:
        """Records read; what must stop the run is raised."""
        records = 0
        for seen in self.observed:
            got = seen.get
            if got["error"]:
                raise BadInput(got["error"])
            if (got["longest"] or 0) > RECORD_MAX:
                raise too_long(self.sources, self.p, self.store.open if self.store else local)
            records += got["records"]
        return records

    def _paths(self, sources: list[Source]) -> list[str]:
        return [self._path(source) for source in sources]

    def _path(self, source: Source, here: bool = False) -> str:
        path = spark_path(source.path, self.folder, len(self.names), self.store, here)
        if path != source.path:
            self.names[os.path.basename(path)] = source.name
        return path

    def _source(self, sources: list[Source]) -> str:
        if len(sources) == 1:
            return literal(sources[0].name)
        linked = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in self.names.items())
        name = "_metadata.file_name"
        return f"CASE {name} {linked} ELSE {name} END" if linked else name

    def _behind_header(self, layout: Layout, sources: list[Source]) -> DataFrame:
        """Lines but the header's and empty ones. The header is line number `layout.line` of the piece at the file's start, and
        as a partition is one piece, that is the number that monotonically_increasing_id() counts up."""
        paths = self._paths(sources)
        read = self.spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true").text(paths)
        numbered = read.selectExpr(
            "value",
            f"{self._source(sources)} AS source",
            "_metadata.file_block_start AS start",
            f"monotonically_increasing_id() & {ROWS_OF_FILE}L AS number",
        ).where(f"NOT (start = 0 AND number = {layout.line})")
        lines = numbered.selectExpr(f"{without_line_end('value')} AS line", "source").where(
            "octet_length(line) > 0"
        )
        return self._observe(lines, "octet_length(line)")

    def _cut(self, sources: list[Source]) -> DataFrame:
        delimiter = self.p.delimiter

        def cut(batches):
            for batch in batches:
                for path, name in zip(*(c.to_pylist() for c in batch.columns)):
                    yield from cut_records(path, name, delimiter)

        # Python workers do not reach S3.
        where = [self._path(s, here=True) if is_s3(s.path) else s.path for s in sources]
        paths = self.spark.createDataFrame(pa.table({"path": where, "name": [s.name for s in sources]}))
        records = paths.repartition(len(sources)).mapInArrow(cut, "line binary, source string, error string")
        seen = self._observe(records, "octet_length(line)", "error").where("error IS NULL")
        return seen.selectExpr("CAST(line AS STRING) AS line", "source")

    def _idiomatic(self, layout: Layout, sources: list[Source]) -> DataFrame:
        """1.7: Spark's own reader, with its own idea of a malformed record."""
        columns = [f"v{i} string" for i in range(layout.fields)]
        read = (
            self.spark.read.schema(", ".join([*columns, "corrupt string"]))
            .options(header="true", sep=self.p.delimiter, quote='"', escape='"')
            .options(mode="PERMISSIVE", columnNameOfCorruptRecord="corrupt", maxCharsPerColumn="-1")
            .options(multiLine=str(self.p.multiline).lower(), recursiveFileLookup="true")
            .options(maxColumns=str(max(20480, layout.fields)))
            .csv(self._paths(sources))
        )
        fields = [f"v{at} AS f{i}" for i, at in enumerate(layout.where)]
        rows = read.selectExpr(
            "corrupt IS NULL AS ok", "corrupt AS line", f"{self._source(sources)} AS source", *fields
        )
        return self._observe(rows)
