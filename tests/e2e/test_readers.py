"""Three readers that share no code see the same rows in what weir wrote: DuckDB, PyIceberg, Spark (4.1, 4.2)."""

from __future__ import annotations

import pathlib
from collections import Counter

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from tools import engine
from tools.spark import Spark, spark_only

TIMES = ("event_time", "session_start")


def columns(lake: engine.Lake, table: str) -> list[str]:
    return lake.read(table).columns


def by_duckdb(lake: engine.Lake, table: str) -> Counter:
    path = engine.local_path(lake.location(table))
    shown = ", ".join(f"epoch_us({c})" if c in TIMES else c for c in columns(lake, table))
    return texts(engine.duckdb_connection().execute(f"select {shown} from iceberg_scan('{path}')").fetchall())


def by_pyiceberg(lake: engine.Lake, table: str) -> Counter:
    catalog = SqlCatalog(
        "weir", uri=f"sqlite:///{lake.path}/catalog.db", warehouse=f"file://{lake.path}/warehouse"
    )
    rows = catalog.load_table(f"web.{table}").scan().to_arrow()
    values = [rows[c].cast("int64") if c in TIMES else rows[c] for c in columns(lake, table)]
    return texts(zip(*(v.to_pylist() for v in values), strict=True))


def by_spark(spark: Spark, lake: engine.Lake, table: str) -> Counter:
    shown = ", ".join(f"unix_micros({c})" if c in TIMES else c for c in columns(lake, table))
    return texts(spark.sql(f"select {shown} from weir.web.{table}"))


def texts(rows) -> Counter:
    return Counter(tuple(None if v is None else str(v) for v in row) for row in rows)


@pytest.fixture
def loaded(lake, tmp_path, small_mmdb):
    """Very dirty data with keep columns, appended to a first run."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("input: {keep: [{name: status, type: long}, {name: user_agent, type: string}]}\n")
    for seed, mode in (("1", "overwrite"), ("2", "append")):
        out = tmp_path / f"data{seed}"
        args = ("--rows", "5000", "--seed", seed, "--dirt", "much", "--mmdb", small_mmdb, "--out", out)
        assert engine.weir("gen", *args).code == 0
        lake.run(sorted(out.glob("*.csv")), small_mmdb, "--mode", mode, pipeline=pipeline)
    return lake


def test_duckdb_and_pyiceberg(loaded):
    for table in ("events", "rejects"):
        rows = by_duckdb(loaded, table)
        assert rows.total() > 500
        assert rows == by_pyiceberg(loaded, table)


@spark_only
def test_spark_too(loaded):
    spark = Spark(pathlib.Path(loaded.path))
    try:
        for table in ("events", "rejects"):
            rows = by_spark(spark, loaded, table)
            assert rows.total() > 500
            assert rows == by_duckdb(loaded, table)
    finally:
        spark.stop()
