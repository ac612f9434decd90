"""The two tables in the shared catalog: found or made, and changed by one snapshot each (4.4–4.7)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    DoubleType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestamptzType,
)
from sqlalchemy.exc import SQLAlchemyError

from . import s3
from .errors import BadInput, Failed, said
from .job import COLUMNS, Job, Pipeline

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

ATTEMPTS = 10
# It warns of every column without statistics; here they are left out on purpose (writing.py).
logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)
STRING, TIME = StringType(), TimestamptzType()
EVENT_FIELDS: tuple[tuple[str, PrimitiveType, bool], ...] = (
    ("event_id", STRING, True),
    ("user_id", STRING, True),
    ("session_id", STRING, True),
    ("event_seq", IntegerType(), True),
    ("event_time", TIME, True),
    ("session_start", TIME, True),
    ("page_url", STRING, False),
    ("referrer", STRING, False),
    ("device", STRING, True),
    ("ip_address", STRING, False),
    ("country", STRING, True),
)
KEEP_TYPES: dict[str, PrimitiveType] = {"string": STRING, "long": LongType(), "double": DoubleType()}
EVENT_TIME_ID = 5


def events_schema(p: Pipeline) -> Schema:
    keep = [(name, KEEP_TYPES[kind], False) for name, kind in p.keep]
    fields = [*EVENT_FIELDS, *keep]
    return Schema(*(NestedField(n, name, t, required) for n, (name, t, required) in enumerate(fields, 1)))


def rejects_schema() -> Schema:
    names = ("reason", *COLUMNS, "raw", "source_file")
    return Schema(*(NestedField(n, name, STRING, name == "reason") for n, name in enumerate(names, 1)))


BY_DAY = PartitionSpec(PartitionField(EVENT_TIME_ID, 1000, DayTransform(), "event_time_day"))


def open_catalog(job: Job) -> Catalog:
    c = job.catalog
    uri = c["uri"]
    if uri.startswith("sqlite:"):
        path = Path("/" + uri.removeprefix("sqlite:").lstrip("/"))  # absolute, however many slashes
        path.parent.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{path}"
    files = {"py-io-impl": f"{__name__}.{Files.__name__}"}
    return SqlCatalog(c.get("name", "weir"), uri=uri, warehouse=c["warehouse"], **files)


class Files(PyArrowFileIO):
    """PyIceberg's way to files, by this stack's one client of S3: no key is a property of anything."""

    def _initialize_s3_fs(self, netloc: str | None) -> S3FileSystem:
        return s3.filesystem()


@contextmanager
def catalog_errors(job: Job) -> Iterator[None]:
    """A database that does not answer, without what SQLAlchemy says of it."""
    try:
        yield
    except SQLAlchemyError as e:
        raise Failed(f"the catalog {job.catalog['uri']} failed: {said(e)}") from e


class Target:
    """One table of this run."""

    def __init__(self, catalog: Catalog, job: Job, name: str, schema: Schema, spec: PartitionSpec) -> None:
        self.catalog = catalog
        self.identifier = (job.namespace, name)
        self.run_id = job.run_id
        self.overwrite = job.mode == "overwrite"
        self.creation: CreateTableTransaction | None = None
        self.properties = {"format-version": "2", "write.parquet.compression-codec": "zstd"}
        try:
            with s3.telling(job.catalog["warehouse"], "read"):
                self.table = catalog.load_table(self.identifier)
            self._check(schema, spec)
        except NoSuchTableError:
            catalog.create_namespace_if_not_exists(job.namespace)
            self._stage(schema, spec)
        self.committed = False

    def _stage(self, schema: Schema, spec: PartitionSpec) -> None:
        """The table and its first snapshot come into being in one step of the catalog."""
        self.creation = self.catalog.create_table_transaction(
            self.identifier, schema, partition_spec=spec, properties=self.properties
        )
        self.table = self.creation._table

    def _check(self, schema: Schema, spec: PartitionSpec) -> None:
        name = ".".join(self.identifier)
        there = {f.name: f for f in self.table.schema().fields}
        for field in schema.fields:
            found = there.pop(field.name, None)
            if found is None or found.field_type != field.field_type:
                raise BadInput(f"table {name}: column {field.name} is not there as {field.field_type}")
        if any(f.required for f in there.values()):
            raise BadInput(f"table {name}: it has required columns that this run does not fill")
        transforms = [str(f.transform) for f in self.table.spec().fields]
        if transforms != [str(f.transform) for f in spec.fields]:
            raise BadInput(f"table {name}: it is partitioned otherwise")

    def held(self) -> dict[str, str] | None:
        """4.6: the summary of this run's snapshot, if the table holds it."""
        if self.creation:
            return None
        for s in self.table.metadata.snapshots:
            if s.summary and s.summary.additional_properties.get("weir.run-id") == self.run_id:
                return s.summary.additional_properties
        return None

    def commit(self, files: list[DataFile], summary: dict[str, str]) -> bool:
        """False when another process has committed this run meanwhile."""
        for attempt in range(ATTEMPTS):
            try:
                if self.creation:
                    self._create(files, summary)
                else:
                    if self.held():
                        return False
                    self._change(files, summary)
                self.table = self.catalog.load_table(self.identifier)
                return True
            except (CommitFailedException, TableAlreadyExistsError):
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.02 * 2**attempt)
                self.creation = None
                self.table = self.catalog.load_table(self.identifier)
        raise AssertionError("unreachable")

    def _create(self, files: list[DataFile], summary: dict[str, str]) -> None:
        assert self.creation
        self._snapshot(self.creation, files, summary)
        with self._in_doubt():
            self.creation.commit_transaction()
        self.creation = None

    def _change(self, files: list[DataFile], summary: dict[str, str]) -> None:
        # What is replaced is what is current at commit time: a lost race is run again here, with a fresh
        # list of files, not by PyIceberg with the old one.
        self.table.metadata.properties["commit.retry.num-retries"] = "0"
        tx = self.table.transaction()
        self._snapshot(tx, files, summary)
        with self._in_doubt():
            tx.commit_transaction()

    @contextmanager
    def _in_doubt(self) -> Iterator[None]:
        """A commit that fails may have happened: its files are only discarded when it surely has not."""
        self.committed = True
        try:
            yield
        except (CommitFailedException, TableAlreadyExistsError):
            self.committed = False
            raise
        except Exception:
            try:
                self.table = self.catalog.load_table(self.identifier)
                self.creation = None
                self.committed = self.held() is not None
            except NoSuchTableError:
                self.committed = False
            except Exception:  # whoever reads the catalog next will know; `weir table clean` tidies up
                logging.getLogger(__name__).warning("could not read %s back", ".".join(self.identifier))
            raise

    def _snapshot(self, tx: Any, files: list[DataFile], summary: dict[str, str]) -> None:
        update = tx.update_snapshot(snapshot_properties=summary)
        with update.overwrite() if self.overwrite else update.fast_append() as snapshot:
            if self.overwrite:
                for file in self._current_files():
                    snapshot.delete_data_file(file)
            for file in files:
                snapshot.append_data_file(file)

    def _current_files(self) -> list[DataFile]:
        current = self.table.current_snapshot()
        if current is None:
            return []
        return [
            entry.data_file
            for manifest in current.manifests(self.table.io)
            if manifest.content == ManifestContent.DATA
            for entry in manifest.fetch_manifest_entry(self.table.io, discard_deleted=True)
        ]

    def result(self) -> dict[str, Any]:
        current = self.table.current_snapshot()
        mine = [
            s
            for s in self.table.metadata.snapshots
            if s.summary and s.summary.additional_properties.get("weir.run-id") == self.run_id
        ]
        shown = mine[-1] if mine else current
        return {
            "snapshot_id": str(shown.snapshot_id) if shown else None,
            "metadata_location": self.table.metadata_location,
            "skipped": not self.committed,
        }
