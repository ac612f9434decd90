"""The test readers return exactly what stands in a table that neither weir nor they wrote."""

import datetime

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestamptzType
from tools import engine

ROWS = [
    ("a\0b", -1, 0.1, datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, datetime.UTC)),
    ("é\U0010ffff\ufffd", 2**62, -0.0, datetime.datetime(2261, 12, 31, tzinfo=datetime.UTC)),
    (None, None, None, datetime.datetime(1900, 1, 1, tzinfo=datetime.UTC)),
]
EXPECTED = [
    ("a\0b", -1, 0.1, -1),
    ("é\U0010ffff\ufffd", 2**62, -0.0, 9214560000000000),
    (None, None, None, -2208988800000000),
]


@pytest.mark.parametrize("reader", ["duckdb", "pyiceberg"])
def test_reads_back(tmp_path, reader):
    (tmp_path / "warehouse").mkdir()
    catalog = SqlCatalog(
        "weir", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse"
    )
    catalog.create_namespace("web")
    schema = Schema(
        NestedField(1, "s", StringType()),
        NestedField(2, "n", LongType()),
        NestedField(3, "d", DoubleType()),
        NestedField(4, "event_time", TimestamptzType()),
    )
    table = catalog.create_table("web.events", schema)
    kinds = (pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC"))
    arrays = [pa.array(c, t) for c, t in zip(zip(*ROWS, strict=True), kinds, strict=True)]
    table.append(pa.table(arrays, names=["s", "n", "d", "event_time"]))
    location = engine.Lake(tmp_path).location("events")
    got = engine.read_table(location, reader)
    assert got.columns == ["s", "n", "d", "event_time"]
    assert engine.bag(got.rows) == engine.bag(EXPECTED)
    assert got.summary["operation"] == "append"
