"""weir's tables in other hands, and others' tables in weir's: PyIceberg and DuckDB read the rows, prune by day,
and take turns at writing; many writers at once lose no commit."""

from __future__ import annotations

import gzip
import json
import pathlib
import sqlite3
import subprocess
import sys

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestampType
from tools import engine, iceberg
from tools.iceberg import FIRST_DAY, Lake, expected


@pytest.fixture
def lake(tmp_path: pathlib.Path) -> Lake:
    return Lake(tmp_path / "lake")


def operations(lake: Lake, name: str = "t") -> list[str]:
    return [s.summary.operation.value for s in lake.table(name).metadata.snapshots]


# ---- weir's own tables ----


def test_new_table(lake: Lake) -> None:
    out = lake.write("overwrite", "one", rows=500)
    t = lake.table()
    assert not out["skipped"]
    assert t.metadata_location == out["metadata_location"]
    assert t.metadata.current_snapshot_id == out["snapshot_id"]
    assert t.location() == f"file://{lake.warehouse}/web/t"
    assert lake.counts() == expected(rows=500)
    summary = t.current_snapshot().summary
    assert summary["weir.run-id"] == "one"
    assert summary["added-data-files"] == summary["changed-partition-count"] == "2"
    assert summary["added-records"] == summary["total-records"] == "1000"
    assert t.properties["commit.retry.num-retries"] == "20"
    assert [f.field_id for f in t.schema().fields] == [1, 2, 3, 4, 5, 6]
    with sqlite3.connect(lake.database) as db:
        assert db.execute("select catalog_name, iceberg_type from iceberg_tables").fetchall() == [
            ("weir", "TABLE")
        ]
        assert ("weir", "web", "exists", "true") in db.execute(
            "select * from iceberg_namespace_properties"
        ).fetchall()
    assert lake.catalog().list_namespaces() == [("web",)]


def test_overwrite_and_append(lake: Lake) -> None:
    first = lake.write("overwrite", "one")
    lake.write("append", "two")
    assert lake.counts() == expected(2)
    lake.write("overwrite", "three", days=3)
    assert lake.counts() == expected(days=3)
    assert operations(lake) == ["append", "append", "overwrite"]
    t = lake.table()
    summary = t.current_snapshot().summary
    assert summary["deleted-data-files"] == "4" and summary["deleted-records"] == "40"
    assert summary["total-data-files"] == "3" and summary["total-records"] == "30"
    assert summary["changed-partition-count"] == "3"
    assert t.scan(snapshot_id=first["snapshot_id"]).to_arrow().num_rows == 20  # older snapshots stay
    manifests = t.inspect.manifests().to_pylist()
    assert sorted((m["added_data_files_count"], m["deleted_data_files_count"]) for m in manifests) == [
        (0, 2),
        (0, 2),
        (3, 0),
    ]
    statuses = [e["status"] for e in t.inspect.entries().to_pylist()]
    assert statuses.count(1) == 3
    assert [s.sequence_number for s in t.metadata.snapshots] == [1, 2, 3]
    assert t.metadata.snapshots[2].parent_snapshot_id == t.metadata.snapshots[1].snapshot_id
    assert len(t.metadata.metadata_log) == 2 and len(t.metadata.snapshot_log) == 3


def test_deleted_entries_keep_their_sequence_numbers(lake: Lake) -> None:
    lake.write("overwrite", "one")
    lake.write("append", "two")
    lake.write("overwrite", "three")
    t = lake.table()
    snapshot = t.current_snapshot()
    seen = set()
    for m in snapshot.manifests(t.io):
        for entry in m.fetch_manifest_entry(t.io, discard_deleted=False):
            seen.add((int(entry.status), entry.sequence_number, entry.snapshot_id == snapshot.snapshot_id))
    assert seen == {(1, 3, True), (2, 1, True), (2, 2, True)}


def test_empty_snapshots(lake: Lake) -> None:
    """4.4: snapshots are written even when empty."""
    lake.write("overwrite", "one", days=0)
    assert lake.counts() == {(0, 0, 0, 0)}
    lake.write("append", "two")
    lake.write("overwrite", "three", days=0)
    assert lake.counts() == {(0, 0, 0, 0)}
    lake.write("append", "four", days=0)
    assert operations(lake) == ["append", "append", "overwrite", "append"]
    assert lake.table().current_snapshot().summary["total-records"] == "0"


def test_run_id_is_skipped(lake: Lake) -> None:
    """4.6: a repeat changes nothing, even when the run is no longer the newest."""
    first = lake.write("overwrite", "one")
    lake.write("overwrite", "two")
    before = lake.location()
    again = lake.write("append", "one")
    assert again["skipped"] and again["snapshot_id"] == first["snapshot_id"]
    assert lake.location() == before


def test_unpartitioned(lake: Lake) -> None:
    lake.write("overwrite", "one", FIRST_DAY, 2, 10, "unpartitioned")
    lake.write("append", "two", FIRST_DAY, 2, 10, "unpartitioned")
    lake.write("append", "three")  # a caller that would partition by day follows the table
    assert lake.counts() == expected(3)
    t = lake.table()
    assert not t.spec().fields
    assert t.current_snapshot().summary["changed-partition-count"] == "1"


def test_metrics(lake: Lake) -> None:
    lake.write("overwrite", "one", days=1, rows=100)
    f = lake.table().inspect.files().to_pylist()[0]
    assert f["record_count"] == 100 and f["sort_order_id"] == 0
    assert len(f["split_offsets"]) == 2 and f["split_offsets"][0] == 4
    assert f["file_size_in_bytes"] == pathlib.Path(engine.local_path(f["file_path"])).stat().st_size
    m = f["readable_metrics"]
    assert m["n"]["lower_bound"] == -5 and m["n"]["upper_bound"] == 94
    assert m["l"]["upper_bound"] == 99 * FIRST_DAY
    assert m["x"]["null_value_count"] == 34 and m["x"]["nan_value_count"] == 13
    assert m["x"]["lower_bound"] == 0.5 and m["x"]["upper_bound"] == 49.0
    assert m["s"]["null_value_count"] == 25 and m["s"]["value_count"] == 100
    assert (
        m["id"]["lower_bound"] == "0-000000-some-id" and m["id"]["upper_bound"] > "0-000099-some-identifier"
    )
    assert str(m["ts"]["lower_bound"]) == "2022-01-08 00:00:00+00:00"


@pytest.mark.parametrize("partitioned", [True, False])
def test_manifests_are_merged(lake: Lake, partitioned: bool) -> None:
    """From commit.manifest.min-count-to-merge small manifests on an append merges them; rows, snapshot ids,
    sequence numbers and deletes stay what they were."""
    options = [] if partitioned else ["unpartitioned"]
    lake.write("append", "0", FIRST_DAY, 2, 10, *options)
    t = lake.table()
    with t.transaction() as change:
        change.set_properties({"commit.manifest.min-count-to-merge": "5"})
    t.append(iceberg.arrow_rows(t))
    t.delete(EqualTo("id", "py-1"))
    for i in range(1, 4):
        lake.write("append", str(i), FIRST_DAY + i, 2, 10, *options)
    before = lake.table()

    def entries(table) -> dict:
        return {
            e.data_file.file_path: (e.snapshot_id, e.sequence_number, e.data_file.record_count)
            for m in table.current_snapshot().manifests(table.io)
            for e in m.fetch_manifest_entry(table.io)
        }

    manifests = before.current_snapshot().manifests(before.io)
    assert len(manifests) == 5
    lake.write("append", "4", FIRST_DAY + 10, 2, 10, *options)
    t = lake.table()
    merged = t.current_snapshot().manifests(t.io)
    assert len(merged) == 2
    counts = sorted((m.added_files_count, m.existing_files_count, m.min_sequence_number) for m in merged)
    assert counts == [(0, 9, 1), (2, 0, t.metadata.last_sequence_number)]
    old, new = entries(before), entries(t)
    assert old.items() <= new.items() and len(new) == len(old) + 2
    assert t.scan().to_arrow().num_rows == 102
    assert lake.duckdb("select count(*) from t") == [(102,)]
    assert t.current_snapshot().summary["total-records"] == "102"
    if partitioned:
        summaries = [m["partition_summaries"] for m in t.inspect.manifests().to_pylist()]
        assert {(s[0]["lower_bound"], s[0]["upper_bound"]) for s in summaries} == {
            ("2022-01-08", "2022-01-13"),
            ("2022-01-18", "2022-01-19"),
        }
    day = And(
        GreaterThanOrEqual("ts", "2022-01-10T00:00:00+00:00"), LessThan("ts", "2022-01-11T00:00:00+00:00")
    )
    assert t.scan(row_filter=day).to_arrow().num_rows == 20
    live = lake.files()
    assert lake.weir("clean", "--older-than", "0s").code == 0
    assert lake.files() == live
    lake.write("overwrite", "5", FIRST_DAY, 2, 10, *options)
    assert lake.counts() == expected()


def test_pruning_by_day(lake: Lake) -> None:
    lake.write("overwrite", "one", days=5)
    lake.write("append", "two", days=5)
    day = And(
        GreaterThanOrEqual("ts", "2022-01-10T00:00:00+00:00"), LessThan("ts", "2022-01-11T00:00:00+00:00")
    )
    scan = lake.table().scan(row_filter=day)
    assert len(list(scan.plan_files())) == 2 and scan.to_arrow().num_rows == 20
    assert lake.table().scan(row_filter=EqualTo("n", 1000)).to_arrow().num_rows == 0
    path = engine.local_path(lake.location())
    plan = engine.duckdb_connection().execute(
        f"explain analyze select count(n) from iceberg_scan('{path}') where ts >= '2022-01-10 00:00:00+00' and ts < '2022-01-11 00:00:00+00'"
    )
    text = plan.fetchall()[0][1]
    assert "Total Files Read: 2" in text, text


def test_days_before_1970(lake: Lake) -> None:
    lake.write("overwrite", "one", day=-3, days=3)
    partitions = {str(f["partition"]["ts_day"]) for f in lake.table().inspect.files().to_pylist()}
    assert partitions == {"1969-12-29", "1969-12-30", "1969-12-31"}
    assert lake.duckdb("select count(*) from t where ts < '1969-12-31 00:00:00+00'") == [(20,)]


# ---- PyIceberg ----


def test_pyiceberg_appends_to_ours(lake: Lake) -> None:
    lake.write("overwrite", "one")
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
    lake.write("append", "two")
    assert lake.duckdb("select count(*), count(*) filter (where id like 'py-%') from t") == [(43, 3)]
    assert lake.table().scan().to_arrow().num_rows == 43
    assert lake.table().current_snapshot().summary["total-records"] == "43"
    lake.write("overwrite", "three")
    assert lake.counts() == expected()
    assert lake.table().current_snapshot().summary["deleted-records"] == "43"
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
    t.delete(EqualTo("id", "py-1"))  # rewrites a data file
    assert lake.table().scan().to_arrow().num_rows == 22
    lake.write("append", "four")
    assert lake.table().scan().to_arrow().num_rows == 42
    lake.write("overwrite", "five")
    assert lake.counts() == expected()


def make_theirs(lake: Lake, name: str = "t", **kwargs):
    catalog = lake.catalog()
    catalog.create_namespace_if_not_exists("web")
    return catalog.create_table(f"web.{name}", iceberg.SCHEMA, partition_spec=iceberg.BY_DAY, **kwargs)


def test_append_to_pyiceberg(lake: Lake) -> None:
    """Other column order, other ids, a column that we do not write, optional where ours are required, a
    partition field with a blank in its name."""
    t = make_theirs(lake)
    t.append(iceberg.arrow_rows(t))
    lake.write("append", "one")
    assert lake.duckdb("select count(*), count(other), sum(n) from t") == [(23, 0, 290)]
    got = lake.table().scan().to_arrow()
    assert got.num_rows == 23 and got.column_names == ["s", "other", "x", "ts", "n", "l", "id"]
    assert got["id"].null_count == 0
    day = GreaterThanOrEqual("ts", "2022-01-13T00:00:00+00:00")
    assert len(list(lake.table().scan(row_filter=day).plan_files())) == 1
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
    lake.write("overwrite", "two")
    assert lake.counts() == expected()


def test_first_write_into_an_empty_table_of_theirs(lake: Lake) -> None:
    make_theirs(lake)
    lake.write("overwrite", "one")
    assert lake.counts() == expected()
    assert operations(lake) == ["append"]


def test_missing_columns_are_added(lake: Lake) -> None:
    schema = Schema(*(f for f in iceberg.SCHEMA.fields if f.name not in ("l", "s")))
    catalog = lake.catalog()
    catalog.create_namespace("web")
    t = catalog.create_table("web.t", schema, partition_spec=iceberg.BY_DAY)
    t.append(iceberg.arrow_rows(t))
    lake.write("append", "one", FIRST_DAY, 2, 10, "extra")
    t = lake.table()
    assert [(f.name, f.required) for f in t.schema().fields[-3:]] == [
        ("l", False),
        ("s", False),
        ("extra", False),
    ]
    assert len(t.metadata.schemas) == 2 and t.metadata.current_schema_id == 1
    assert len({f.field_id for f in t.schema().fields}) == 8
    assert t.metadata.last_column_id == max(f.field_id for f in t.schema().fields)
    assert lake.duckdb("select count(*), count(extra), count(l) from t") == [(23, 20, 20)]
    lake.write("append", "two")
    assert lake.table().metadata.current_schema_id == 1
    assert lake.duckdb("select count(*), count(extra) from t") == [(43, 20)]


def test_int_into_long(lake: Lake) -> None:
    """Our int column may stand under a long of theirs; bounds are then of eight bytes."""
    fields = [
        NestedField(f.field_id, f.name, LongType()) if f.name == "n" else f for f in iceberg.SCHEMA.fields
    ]
    catalog = lake.catalog()
    catalog.create_namespace("web")
    catalog.create_table("web.t", Schema(*fields), partition_spec=iceberg.BY_DAY)
    lake.write("append", "one")
    assert lake.counts() == expected()
    assert lake.table().scan(row_filter=EqualTo("n", 4)).to_arrow().num_rows == 2
    assert lake.duckdb("select count(*) from t where n = 4") == [(2,)]


def refused(lake: Lake, fields: list[NestedField], spec: PartitionSpec = iceberg.BY_DAY) -> str:
    catalog = lake.catalog()
    catalog.create_namespace_if_not_exists("web")
    t = catalog.create_table("web.t", Schema(*fields), partition_spec=spec)
    got = lake.write("append", "one", ok=False)
    assert got["code"] == 3
    assert lake.location() == t.metadata_location
    assert "web.t" in got["err"] and got["err"].count("\n") == 1
    catalog.drop_table("web.t")
    return got["err"]


def test_incompatible_tables(lake: Lake) -> None:
    def replaced(name: str, **changes) -> list[NestedField]:
        return [NestedField(**{**dict(f), **changes}) if f.name == name else f for f in iceberg.SCHEMA.fields]

    err = refused(lake, replaced("n", field_type=StringType()))
    assert "column n is of type string there, but int would be written" in err
    naive = refused(lake, replaced("ts", field_type=TimestampType()))
    assert "column ts is of type timestamp there, but timestamptz" in naive
    assert "column x is required there, but may be null" in refused(lake, replaced("x", required=True))
    err = refused(lake, replaced("other", required=True))
    assert "column other is required there, but would not be written" in err
    bucket = PartitionSpec(PartitionField(7, 1000, BucketTransform(8), "b"))
    assert "bucket[8]" in refused(lake, list(iceberg.SCHEMA.fields), bucket)
    two = PartitionSpec(*iceberg.BY_DAY.fields, PartitionField(7, 1001, BucketTransform(8), "b"))
    assert "must be day(ts) or none" in refused(lake, list(iceberg.SCHEMA.fields), two)


def test_version_1_is_refused(lake: Lake) -> None:
    make_theirs(lake, properties={"format-version": "1"})
    got = lake.write("append", "one", ok=False)
    assert got["code"] == 3
    assert "web.t is of Iceberg format version 1; only version 2 can be written" in got["err"]


def test_partition_evolution(lake: Lake) -> None:
    """Manifests of an older spec are overwritten under that spec."""
    catalog = lake.catalog()
    catalog.create_namespace("web")
    spec = PartitionSpec(PartitionField(7, 1000, BucketTransform(4), "b"))
    t = catalog.create_table("web.t", iceberg.SCHEMA, partition_spec=spec)
    t.append(iceberg.arrow_rows(t, 9))
    with t.update_spec() as update:
        update.remove_field("b").add_field("ts", DayTransform(), "ts_day")
    t.append(iceberg.arrow_rows(t, 2))
    lake.write("append", "one")
    assert lake.table().scan().to_arrow().num_rows == 31
    lake.write("overwrite", "two")
    assert lake.counts() == expected()
    specs = {m["partition_spec_id"] for m in lake.table().inspect.manifests().to_pylist()}
    assert specs == {0, 1}


def test_unknown_keys_are_kept(lake: Lake) -> None:
    """What others put into the metadata survives our commit, gzip or not."""
    t = make_theirs(lake, properties={"owner": "someone", "write.metadata.previous-versions-max": "2"})
    metadata = json.loads(pathlib.Path(engine.local_path(t.metadata_location)).read_text())
    metadata["x-future"] = {"a": [1, 2.5, None, "é"], "big": 2**62}
    metadata["refs"] = {"main": {"snapshot-id": -1, "type": "branch", "max-snapshot-age-ms": 5}}
    metadata["refs"].pop("main")
    location = t.metadata_location.replace("00000-", "00007-").replace(".metadata.json", ".gz.metadata.json")
    pathlib.Path(engine.local_path(location)).write_bytes(gzip.compress(json.dumps(metadata).encode()))
    with sqlite3.connect(lake.database) as db:
        db.execute("update iceberg_tables set metadata_location = ?", (location,))
    out = [lake.write("append", f"run {i}") for i in range(4)]
    after = json.loads(pathlib.Path(engine.local_path(lake.location())).read_text())
    assert after["x-future"] == metadata["x-future"]
    assert after["properties"]["owner"] == "someone"
    assert [m["metadata-file"] for m in after["metadata-log"]] == [o["metadata_location"] for o in out[1:3]]
    assert pathlib.Path(lake.location()).name.startswith("00011-")


@pytest.mark.parametrize("codec", ["null", "gzip", "zstd"])
def test_codecs_of_manifests(lake: Lake, codec: str) -> None:
    t = make_theirs(lake, properties={"write.avro.compression-codec": codec})
    t.append(iceberg.arrow_rows(t))
    assert {"null": b"null", "gzip": b"deflate", "zstd": b"zstandard"}[codec] in pathlib.Path(
        engine.local_path(t.current_snapshot().manifest_list)
    ).read_bytes()
    lake.write("append", "one")
    assert lake.table().scan().to_arrow().num_rows == 23
    lake.write("overwrite", "two")
    assert lake.counts() == expected()


# ---- catalogs ----

V0 = """
create table iceberg_tables (catalog_name varchar(255) not null, table_namespace varchar(255) not null,
 table_name varchar(255) not null, metadata_location varchar(1000), previous_metadata_location varchar(1000),
 primary key (catalog_name, table_namespace, table_name));
create table iceberg_namespace_properties (catalog_name varchar(255) not null, namespace varchar(255) not null,
 property_key varchar(255), property_value varchar(1000), primary key (catalog_name, namespace, property_key));
"""


def test_v0_catalog(lake: Lake) -> None:
    with sqlite3.connect(lake.database) as db:
        db.executescript(V0)
    lake.write("overwrite", "one")
    lake.write("append", "two")
    assert lake.counts() == expected(2)
    assert lake.catalog().list_tables("web") == [("web", "t")]
    catalog = lake.catalog(schema_version="v1")  # adds the column; our row keeps NULL
    t = catalog.load_table("web.t")
    t.append(iceberg.arrow_rows(t))
    lake.write("append", "three")
    lake.write("overwrite", "four", table="u")
    assert lake.table().scan().to_arrow().num_rows == 63
    with sqlite3.connect(lake.database) as db:
        rows = db.execute("select table_name, iceberg_type from iceberg_tables order by 1").fetchall()
    assert rows == [("t", None), ("u", "TABLE")]


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "{}"])
def test_forms_of_locations(lake: Lake, form: str) -> None:
    """file:/x, file:///x and /x are the same place."""
    lake.write("overwrite", "one")
    path = engine.local_path(lake.location())
    with sqlite3.connect(lake.database) as db:
        db.execute("update iceberg_tables set metadata_location = ?", (form.format(path),))
    lake.write("append", "two")
    assert lake.counts() == expected(2)
    assert lake.weir("clean", "--older-than", "0s").code == 0
    assert lake.counts() == expected(2)
    assert pathlib.Path(path).exists()


def test_odd_paths(tmp_path: pathlib.Path) -> None:
    lake = Lake(tmp_path / "a lake, ünd (more) of it")
    lake.write("overwrite", "one")
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
    lake.write("overwrite", "two")
    assert lake.counts() == expected()
    before = lake.files()
    assert lake.weir("clean", "--older-than", "0s").code == 0
    assert lake.files() == before


def test_namespace_with_a_location(lake: Lake, tmp_path: pathlib.Path) -> None:
    lake.catalog().create_namespace("web", {"location": f"file:{tmp_path}/elsewhere"})
    lake.write("overwrite", "one")
    assert lake.table().location() == f"file://{tmp_path}/elsewhere/t"
    assert lake.counts() == expected()


# ---- many at once ----

PY_WRITER = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from tools import iceberg
lake = iceberg.Lake(pathlib.Path(sys.argv[2]))
for i in range(int(sys.argv[3])):
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
"""


@pytest.mark.parametrize("merging", [False, True])
def test_concurrent_writers(lake: Lake, merging: bool) -> None:
    """Eight writers of five commits each, beginning with no table: all forty are kept, none twice; also when
    manifests are merged all the time."""
    if merging:
        lake.write("overwrite", "first", days=0)
        with lake.table().transaction() as change:
            change.set_properties({"commit.manifest.min-count-to-merge": "3"})
    script = 'shift; for i in 1 2 3 4 5; do "$0" "$@" append "$RUN-$i" 19000 2 10 > /dev/null || exit 1; done'
    where = lake.arguments("append", "x")[1:6]
    program = str(iceberg.program())
    writers = [
        subprocess.Popen(
            ["sh", "-c", script, program, "-", *where],
            env={"RUN": f"w{w}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for w in range(8)
    ]
    for w in writers:
        _, err = w.communicate(timeout=120)
        assert w.returncode == 0, err
    t = lake.table()
    runs = [s.summary["weir.run-id"] for s in t.metadata.snapshots]
    assert not merging or runs.pop(0) == "first"
    assert sorted(runs) == sorted(f"w{w}-{i}" for w in range(8) for i in range(1, 6))
    assert [s.sequence_number for s in t.metadata.snapshots] == list(range(1, 42 if merging else 41))
    assert lake.counts() == expected(40)
    before = lake.files()
    assert lake.weir("clean", "--older-than", "0s").code == 0
    assert lake.files() == before, "a lost race left files behind"


def test_concurrent_with_pyiceberg(lake: Lake) -> None:
    lake.write("overwrite", "one")
    tests = str(engine.ROOT / "tests")
    other = subprocess.Popen([sys.executable, "-c", PY_WRITER, tests, str(lake.path), "4"])
    for i in range(20):
        lake.write("append", f"run {i}")
    assert other.wait(timeout=120) == 0
    assert lake.table().scan().to_arrow().num_rows == 21 * 20 + 4 * 3


# ---- failures ----


def test_a_locked_catalog(lake: Lake) -> None:
    lake.write("overwrite", "one")
    before, files = lake.location(), lake.files()
    with sqlite3.connect(lake.database) as db:
        db.execute("begin immediate")  # others may read, none may write
        got = lake.write("append", "two", ok=False)
    assert got["code"] == 4 and "locked" in got["err"]
    assert lake.location() == before
    new = lake.files() - files
    assert {p.suffix for p in new} == {".parquet"}, "only data files, whose removal is the caller's business"


def test_damaged_tables(lake: Lake) -> None:
    """Each file of the metadata missing, cut or overwritten: an error that names it, nothing changed."""
    lake.write("overwrite", "one")
    t = lake.table()
    snapshot = t.current_snapshot()
    manifest = snapshot.manifests(t.io)[0].manifest_path
    for location in (t.metadata_location, snapshot.manifest_list, manifest):
        path = pathlib.Path(engine.local_path(location))
        content = path.read_bytes()
        for damage in (None, b"", content[: len(content) // 2], b"\0" * len(content)):
            path.unlink(missing_ok=True)
            if damage is not None:
                path.write_bytes(damage)
            got = lake.write("overwrite", "two", ok=False)
            assert got["code"] in (3, 4), got
            assert path.name in got["err"] and got["err"].count("\n") == 1, got
            clean = lake.weir("clean", "--older-than", "0s")
            assert clean.code in (3, 4) and path.name in clean.err and "nothing was removed" in clean.err
        path.write_bytes(content)
    assert lake.location() == t.metadata_location
    assert lake.counts() == expected()


def test_catalog_name(lake: Lake) -> None:
    """Tables under another catalog name are not ours, but their files are theirs."""
    lake.write("overwrite", "one")
    other = SqlCatalog("other", uri=f"sqlite:///{lake.database}", warehouse=f"file://{lake.warehouse}")
    other.create_namespace("web")
    t = other.create_table("web.u", iceberg.SCHEMA)
    t.append(iceberg.arrow_rows(t))
    assert lake.weir("list", "--json").ledger["tables"][0]["table"] == "web.t"
    before = lake.files()
    assert lake.weir("clean", "--older-than", "0s").code == 0
    assert lake.files() == before
