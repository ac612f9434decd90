"""The two tables in the shared catalog: found or made, and changed by one snapshot each (4.4–4.7).

Spark's Iceberg writer commits what it writes at once, and wants the snapshot's summary before anything is counted. So it
writes into a shadow: a copy of the table's metadata in a temporary folder, with no snapshots, whose data files go to where the
real table's go. What the shadow's one snapshot names is then committed to the real table, through Iceberg's Java API.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from .errors import BadInput, Failed
from .job import Job, Pipeline
from .jvm import kinds, said
from .s3 import Store, is_s3

EVENT_FIELDS = (
    ("event_id", "string", True),
    ("user_id", "string", True),
    ("session_id", "string", True),
    ("event_seq", "int", True),
    ("event_time", "timestamptz", True),
    ("session_start", "timestamptz", True),
    ("page_url", "string", False),
    ("referrer", "string", False),
    ("device", "string", True),
    ("ip_address", "string", False),
    ("country", "string", True),
)
# 4.3. Small pages and dictionaries: each task has a file open for every day, and all of their pages in memory.
WRITING = {
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
    "write.parquet.page-size-bytes": str(128 << 10),
    "write.parquet.dict-size-bytes": str(256 << 10),
    "write.parquet.dict-encoding-enabled.column.event_id": "false",  # no two are alike
    "write.parquet.row-group-size-bytes": str(64 << 20),
    "write.target-file-size-bytes": str(384 << 20),
}
NOT_COMMITTED = {"CommitFailedException", "ValidationException", "AlreadyExistsException"}
QUIET_SECONDS = 5  # for tasks to end that were told to
TABLE_PROPERTIES = {"format-version": "2", "write.parquet.compression-codec": "zstd"}


def event_fields(p: Pipeline) -> list[tuple[str, str, bool]]:
    return [*EVENT_FIELDS, *((name, kind, False) for name, kind in p.keep)]


def _uri(uri: str) -> tuple[str, dict[str, str]]:
    """JDBC's form of a catalog's URI, and its properties."""
    if uri.startswith("sqlite:"):
        path = "/" + uri.removeprefix("sqlite:").lstrip("/")  # absolute, however many slashes
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return f"jdbc:sqlite:{path}", {"jdbc.busy_timeout": "30000"}
    if uri.startswith("postgresql:"):
        user, at, rest = uri.removeprefix("postgresql:").lstrip("/").rpartition("@")
        name, _, password = user.partition(":")
        password = password or os.environ.get("PGPASSWORD", "")
        who = {"jdbc.user": name} if at else {}
        return f"jdbc:postgresql://{rest}", {**who, **({"jdbc.password": password} if password else {})}
    raise BadInput(f'catalog.uri: "{uri}" is neither sqlite: nor postgresql:')


def _local(location: str) -> str:
    """file:///x, file:/x and /x are the same."""
    return "/" + location.removeprefix("file:").lstrip("/")


def _tasks_run(spark: SparkSession) -> bool:
    return any(e.numRunningTasks() for e in spark._jsc.sc().statusTracker().getExecutorInfos())


class Lake:
    """The job's catalog, without Spark between: jobs of one session may have different ones."""

    def __init__(self, spark: SparkSession, job: Job, store: Store | None = None) -> None:
        self.spark, self.jvm, self.store = spark, spark._jvm, store
        c = job.catalog
        self.name = c["uri"]
        try:
            uri, properties = _uri(c["uri"])
            properties |= {"uri": uri, "warehouse": c["warehouse"], "jdbc.schema-version": "V1"}
            self.catalog = self.jvm.org.apache.iceberg.jdbc.JdbcCatalog()
            self.catalog.setConf(spark._jsc.hadoopConfiguration())
            self.catalog.initialize(c.get("name", "weir"), properties)
        except (Py4JJavaError, OSError) as e:
            raise Failed(f"could not open the catalog {self.name}: {said(e)}") from e

    def close(self) -> None:
        with contextlib.suppress(Py4JJavaError):
            self.catalog.close()


class Target:
    """One table of this run."""

    def __init__(
        self, lake: Lake, job: Job, name: str, fields: list[tuple[str, str, bool]], day: str | None
    ) -> None:
        self.lake, self.job, self.fields, self.day = lake, job, fields, day
        self.text = f"{job.namespace}.{name}"
        jvm = lake.jvm
        levels = job.namespace.split(".")
        array = lake.spark.sparkContext._gateway.new_array(jvm.java.lang.String, len(levels))
        for i, level in enumerate(levels):
            array[i] = level
        self.namespace = jvm.org.apache.iceberg.catalog.Namespace.of(array)
        self.identifier = jvm.org.apache.iceberg.catalog.TableIdentifier.of(self.namespace, name)
        self.creation: Any = None
        self.files: list[Any] = []
        self.own = ""  # a folder of this run's data files, so that also what a failed task leaves is found
        self.committed = False
        with self.errors("open"):
            if lake.catalog.tableExists(self.identifier):
                self.table = lake.catalog.loadTable(self.identifier)
                self._check()
            else:
                self._stage()

    @contextlib.contextmanager
    def errors(self, what: str):
        try:
            yield
        except Py4JJavaError as e:
            told = f"could not {what} table {self.text} of {self.lake.name}"
            explained = self.lake.store.explained(e, told) if self.lake.store else None
            raise explained or Failed(f"{told}: {said(e)}") from e

    def _stage(self) -> None:
        """The table and its first snapshot come into being in one step of the catalog."""
        jvm, catalog = self.lake.jvm, self.lake.catalog
        if not catalog.namespaceExists(self.namespace):
            try:
                catalog.createNamespace(self.namespace, {})
            except Py4JJavaError:
                if not catalog.namespaceExists(self.namespace):  # else another run was quicker
                    raise
        columns = [
            {"id": n, "name": name, "type": kind, "required": required}
            for n, (name, kind, required) in enumerate(self.fields, 1)
        ]
        text = json.dumps({"type": "struct", "schema-id": 0, "fields": columns})
        schema = jvm.org.apache.iceberg.SchemaParser.fromJson(text)
        spec = jvm.org.apache.iceberg.PartitionSpec.builderFor(schema)
        if self.day:
            spec = spec.day(self.day)
        builder = catalog.buildTable(self.identifier, schema).withPartitionSpec(spec.build())
        self.creation = builder.withProperties(TABLE_PROPERTIES).createTransaction()
        self.table = self.creation.table()

    def _check(self) -> None:
        there = {f.name(): f for f in self.table.schema().columns()}
        for name, kind, _ in self.fields:
            found = there.pop(name, None)
            if found is None or str(found.type().toString()) != kind:
                raise BadInput(f"table {self.text}: column {name} is not there as {kind}")
        if any(f.isRequired() for f in there.values()):
            raise BadInput(f"table {self.text}: it has required columns that this run does not fill")
        parts = [
            (self.table.schema().findColumnName(f.sourceId()), f.transform().toString())
            for f in self.table.spec().fields()
        ]
        if parts != ([(self.day, "day")] if self.day else []):
            raise BadInput(f"table {self.text}: it is partitioned otherwise")

    def held(self) -> dict[str, str] | None:
        """4.6: the summary of this run's snapshot, if the table holds it."""
        if self.creation:
            return None
        for snapshot in self.table.snapshots():
            summary = snapshot.summary()
            if summary and summary.get("weir.run-id") == self.job.run_id:
                return dict(summary)
        return None

    def write(self, rows: DataFrame, folder: str, distribution: str) -> None:
        """Data files, which no snapshot of the real table names yet."""
        shadow = Path(folder, self.text)
        self._make_shadow(shadow)
        (
            rows.write.format("iceberg")
            .mode("append")
            .option("fanout-enabled", "true")
            .option("distribution-mode", distribution)
            .option("check-nullability", "false")
            .save(str(shadow))
        )
        written = self.lake.jvm.org.apache.iceberg.hadoop.HadoopTables(
            self.lake.spark._jsc.hadoopConfiguration()
        ).load(str(shadow))
        self.files = list(written.currentSnapshot().addedDataFiles(written.io()))

    def _make_shadow(self, shadow: Path) -> None:
        jvm = self.lake.jvm
        now = json.loads(jvm.org.apache.iceberg.TableMetadataParser.toJson(self.table.operations().current()))
        kept = {k: v for k, v in now["properties"].items() if not k.startswith("write.metadata.")}
        data = kept.get("write.data.path", f"{str(self.table.location()).rstrip('/')}/data")
        self.own = kept["write.data.path"] = f"{data.rstrip('/')}/{uuid.uuid4()}"
        now |= {"properties": {**kept, **WRITING}, "current-snapshot-id": -1}
        now |= {"snapshots": [], "refs": {}, "snapshot-log": [], "metadata-log": [], "statistics": []}
        metadata = shadow / "metadata"
        metadata.mkdir(parents=True)
        (metadata / "v1.metadata.json").write_text(json.dumps(now))
        (metadata / "version-hint.text").write_text("1")

    def commit(self, summary: dict[str, str]) -> bool:
        """False when another process has committed this run meanwhile."""
        with self.errors("commit to"):
            try:
                return self._commit(summary)
            except Py4JJavaError as e:
                if not (self.creation and "AlreadyExistsException" in kinds(e)):
                    self.committed = self._in_doubt(e)
                    raise
            except Py4JError:
                self.committed = True  # Java does not answer: it may have happened
                raise
            self.creation = None  # another run has made the table meanwhile
            self.table = self.lake.catalog.loadTable(self.identifier)
            self._check()
            return self._commit(summary)

    def _commit(self, summary: dict[str, str]) -> bool:
        to = self.creation or self.table
        if not self.creation:
            self.table.refresh()
            if self.held():
                return False
        if self.job.mode == "overwrite":
            everything = self.lake.jvm.org.apache.iceberg.expressions.Expressions.alwaysTrue()
            change = to.newOverwrite().overwriteByRowFilter(everything)
            for file in self.files:
                change.addFile(file)
        else:
            change = to.newAppend()
            for file in self.files:
                change.appendFile(file)
        for key, value in summary.items():
            change.set(key, value)
        change.commit()
        if self.creation:
            self.creation.commitTransaction()
            self.creation = None
            self.table = self.lake.catalog.loadTable(self.identifier)
        self.committed = True
        return True

    def _in_doubt(self, e: Py4JJavaError) -> bool:
        """Whether a commit that failed may have happened: its files are only discarded when it surely has not. The
        catalog calls a connection that broke in the commit a failure like any other."""
        if kinds(e) & NOT_COMMITTED:
            return False
        try:
            self.table = self.lake.catalog.loadTable(self.identifier)
            self.creation = None
            return self.held() is not None
        except Py4JJavaError as unread:
            return "NoSuchTableException" not in kinds(unread)

    def discard(self) -> None:
        """Nothing names this run's files; once nothing runs that makes more of them."""
        if not self.own:
            return
        deadline = time.monotonic() + QUIET_SECONDS
        while _tasks_run(self.lake.spark) and time.monotonic() < deadline:
            time.sleep(0.05)
        if is_s3(self.own):
            if self.lake.store:
                self.lake.store.discard_below(self.own)
            return
        folder = _local(self.own)
        shutil.rmtree(folder, ignore_errors=True)
        while os.path.exists(folder) and time.monotonic() < deadline:  # a task made another meanwhile
            shutil.rmtree(folder, ignore_errors=True)

    def discard_files(self, files: list[Any]) -> None:
        """Of those of this run."""
        locations = [str(file.location()) for file in files]
        if self.lake.store:
            self.lake.store.discard([location for location in locations if is_s3(location)])
        for location in locations:
            if not is_s3(location):
                with contextlib.suppress(OSError):
                    path = _local(location)
                    os.unlink(path)
                    os.rmdir(os.path.dirname(path))  # if it was the last
                    os.rmdir(_local(self.own))

    def result(self) -> dict[str, Any]:
        mine = [
            s for s in self.table.snapshots() if (s.summary() or {}).get("weir.run-id") == self.job.run_id
        ]
        shown = mine[-1] if mine else self.table.currentSnapshot()
        return {
            "snapshot_id": str(shown.snapshotId()) if shown else None,
            "metadata_location": self.table.operations().current().metadataFileLocation(),
            "skipped": not self.committed,
        }
