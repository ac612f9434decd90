"""Spark with Iceberg's own Java library, in turns with weir on the same tables."""

from __future__ import annotations

import sqlite3

import pytest
from tools import engine, iceberg
from tools.iceberg import Lake, expected
from tools.spark import Spark, spark_only

pytestmark = spark_only


@pytest.fixture(scope="module", params=["V0", "V1"])
def pair(request, tmp_path_factory):
    """A lake whose catalog Spark made (V0: without the column iceberg_type; V1), and Spark on it."""
    lake = Lake(tmp_path_factory.mktemp("spark") / "lake")
    spark = Spark(lake.path, request.param)
    spark.sql("create namespace weir.web")
    yield lake, spark
    spark.stop()


COUNT = "select count(*), sum(n), count(x), count(s) from weir.web."


def test_spark_reads_and_appends_to_ours(pair) -> None:
    lake, spark = pair
    lake.write("overwrite", "one", table="ours")
    lake.write("append", "two", table="ours")
    want = [[str(v) for v in next(iter(expected(2)))]]
    assert spark.sql(COUNT + "ours") == want
    assert spark.sql("select count(*) from weir.web.ours where ts >= timestamp'2022-01-09'") == [["20"]]
    spark.sql("insert into weir.web.ours values ('sp', timestamp'2022-01-20 01:00:00', 1, 2, 3.0, 'x')")
    lake.write("append", "three", table="ours")
    assert spark.sql("select count(*) from weir.web.ours") == [["61"]]
    assert lake.duckdb("select count(*) from t", "ours") == [(61,)]
    spark.sql("delete from weir.web.ours where id = 'sp'")
    assert lake.counts("ours") == expected(3)
    lake.write("overwrite", "four", table="ours")
    assert spark.sql(COUNT + "ours") == [[str(v) for v in next(iter(expected()))]]
    assert spark.sql("select operation, summary['weir.run-id'] from weir.web.ours.snapshots")[-1] == [
        "overwrite",
        "four",
    ]
    statuses = spark.sql("select status, count(*) from weir.web.ours.entries group by 1 order by 1")
    assert [s for s, _ in statuses] == ["1", "2"]


def test_ours_in_sparks_table(pair) -> None:
    lake, spark = pair
    spark.sql(
        "create table weir.web.theirs (s string, x double, l bigint, n bigint, ts timestamp not null,"
        " id string not null, other string) using iceberg partitioned by (days(ts))"
    )
    spark.sql(
        "insert into weir.web.theirs values ('x', 3.0, 2, 1, timestamp'2022-01-20 01:00:00', 'sp', 'o')"
    )
    lake.write("append", "one", table="theirs")
    lake.write("append", "two", 19000, 2, 10, "extra", table="theirs")
    assert spark.sql("select count(*), count(extra), count(other), sum(n) from weir.web.theirs") == [
        ["41", "20", "1", "-19"]
    ]
    assert lake.table("theirs").scan().to_arrow().num_rows == 41
    lake.write("overwrite", "three", table="theirs")
    assert spark.sql(COUNT + "theirs") == [[str(v) for v in next(iter(expected()))]]


def test_merge_on_read_deletes_are_overwritten(pair) -> None:
    """Position deletes of Spark's: an append leaves them in force, an overwrite removes them too."""
    lake, spark = pair
    spark.sql(
        "create table weir.web.mor (id string, ts timestamp, n int, l bigint, x double, s string) using iceberg"
        " partitioned by (days(ts)) tblproperties ('write.delete.mode'='merge-on-read', 'format-version'='2')"
    )
    lake.write("overwrite", "one", table="mor")
    spark.sql("delete from weir.web.mor where n = 0")
    assert spark.sql("select count(*) from weir.web.mor") == [["18"]]
    assert spark.sql("select count(*) from weir.web.mor.delete_files") != [["0"]]
    lake.write("append", "two", table="mor")
    assert spark.sql("select count(*) from weir.web.mor") == [["38"]]
    assert lake.duckdb("select count(*) from t", "mor") == [(38,)]
    lake.write("overwrite", "three", table="mor")
    assert spark.sql(COUNT + "mor") == [[str(v) for v in next(iter(expected()))]]
    assert spark.sql("select count(*) from weir.web.mor.delete_files") == [["0"]]
    summary = lake.table("mor").current_snapshot().summary
    assert int(summary["removed-position-deletes"]) == 2 and summary["total-position-deletes"] == "0"


def test_version_1_upgraded(pair) -> None:
    """Manifests and lists of version 1 within a table of version 2."""
    lake, spark = pair
    spark.sql(
        "create table weir.web.old (id string, ts timestamp, n int, l bigint, x double, s string) using iceberg"
        " partitioned by (days(ts)) tblproperties ('format-version'='1')"
    )
    spark.sql("insert into weir.web.old values ('sp', timestamp'2022-01-20 01:00:00', 1, 2, 3.0, 'x')")
    assert lake.write("append", "none", table="old", ok=False)["code"] == 3
    spark.sql("alter table weir.web.old set tblproperties ('format-version'='2')")
    lake.write("append", "one", table="old")
    assert spark.sql("select count(*) from weir.web.old") == [["21"]]
    assert lake.duckdb("select count(*) from t", "old") == [(21,)]
    lake.write("overwrite", "two", table="old")
    assert spark.sql(COUNT + "old") == [[str(v) for v in next(iter(expected()))]]


def test_merged_manifests(pair) -> None:
    lake, spark = pair
    lake.write("append", "0", table="merged")
    spark.sql("alter table weir.web.merged set tblproperties ('commit.manifest.min-count-to-merge'='3')")
    for i in range(1, 8):
        lake.write("append", str(i), iceberg.FIRST_DAY + i, table="merged")
    assert spark.sql(COUNT + "merged") == [[str(v) for v in next(iter(expected(8)))]]
    assert int(spark.sql("select count(*) from weir.web.merged.manifests")[0][0]) < 5
    assert spark.sql("select count(*) from weir.web.merged where ts < timestamp'2022-01-09'") == [["10"]]
    spark.sql("call weir.system.rewrite_manifests('web.merged')")
    lake.write("append", "last", table="merged")
    assert spark.sql("select count(*) from weir.web.merged") == [["180"]]


def test_gzip_metadata(pair) -> None:
    lake, spark = pair
    spark.sql(
        "create table weir.web.gz (id string, ts timestamp, n int, l bigint, x double, s string) using iceberg"
        " partitioned by (days(ts)) tblproperties ('write.metadata.compression-codec'='gzip')"
    )
    assert ".gz.metadata.json" in lake.location("gz")
    lake.write("append", "one", table="gz")
    assert spark.sql("select count(*) from weir.web.gz") == [["20"]]
    spark.sql("insert into weir.web.gz values ('sp', timestamp'2022-01-20 01:00:00', 1, 2, 3.0, 'x')")
    lake.write("append", "two", table="gz")
    assert spark.sql("select count(*) from weir.web.gz") == [["41"]]


def test_clean_keeps_sparks_files(pair) -> None:
    """Also Hadoop's .crc files beside live ones; what Spark expires is gone already."""
    lake, spark = pair
    before = {
        p.name: spark.sql(f"select count(*) from weir.web.{p.name}")
        for p in (lake.warehouse / "web").iterdir()
    }
    files = lake.files()
    assert any(p.suffix == ".crc" for p in files)
    done = lake.weir("clean", "--older-than", "0s", "--json")
    assert done.code == 0, done.err
    gone = files - lake.files()
    assert {str(p) for p in gone} == {f["path"] for f in done.ledger["files"]}
    orphans = {o for o in gone if o.suffix != ".crc"}
    assert not orphans, orphans
    for name, count in before.items():
        assert spark.sql(f"select count(*) from weir.web.{name}") == count
    with sqlite3.connect(lake.database) as db:
        columns = [row[1] for row in db.execute("pragma table_info(iceberg_tables)")]
    assert set(columns) >= {"catalog_name", "metadata_location"}
    assert engine.local_path(lake.location("ours")) in {str(p) for p in lake.files()}
    assert iceberg.FIRST_DAY == 19000
