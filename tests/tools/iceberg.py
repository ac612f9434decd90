"""Tables through weir's own commit code, with made-up rows (iceberg_tool.c), and the same lake in PyIceberg."""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DoubleType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from tools import engine

BUILD = os.environ.get("BUILD", "build")
FIRST_DAY = 19000  # 2022-01-08
ID, TS, N, L, X, S = "id", "ts", "n", "l", "x", "s"


@functools.cache
def program() -> pathlib.Path:
    """iceberg_tool, built from this tree's libraries."""
    libs = [f"{BUILD}/lib/lib{floor}.a" for floor in ("etl", "edge", "format", "base")]
    flags = os.environ.get("OPT", "-O2 -g").split()
    make = ["make", "-s", f"BUILD={BUILD}", *libs]
    if "OPT" in os.environ:
        make.append(f"OPT={os.environ['OPT']}")
    subprocess.run(make, cwd=engine.ROOT, check=True)
    folder = tempfile.mkdtemp(prefix="weir-tool-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = pathlib.Path(folder) / "iceberg_tool"
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", *flags, "-Isrc", "-o", str(out)]
    command += ["tests/tools/iceberg_tool.c", *libs, "-l:libzstd.a", "-lz", "-lxxhash", "-lmaxminddb"]
    command += ["-lcurl", "-lcrypto", "-lsqlite3", "-lpq", "-ljansson", "-lyaml", "-lm", "-lpthread"]
    subprocess.run(command, cwd=engine.ROOT, check=True)
    return out


class Lake:
    """An embedded lake, seen by weir and by PyIceberg."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        (path / "warehouse").mkdir(parents=True, exist_ok=True)
        self.database = path / "catalog.db"
        self.warehouse = path / "warehouse"

    def arguments(
        self,
        mode: str,
        run_id: str,
        day: int = FIRST_DAY,
        days: int = 2,
        rows: int = 10,
        *options: str,
        table: str = "t",
    ) -> list[str]:
        where = [f"sqlite://{self.database}", "weir", f"file://{self.warehouse}", "web", table]
        return [str(program()), *where, mode, run_id, str(day), str(days), str(rows), *options]

    def write(self, *args, ok: bool = True, **kwargs) -> dict:
        done = subprocess.run(
            self.arguments(*args, **kwargs), capture_output=True, text=True, timeout=120, check=False
        )
        if not ok:
            return {"code": done.returncode, "err": done.stderr}
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def catalog(self, **properties: str) -> SqlCatalog:
        uri = f"sqlite:///{self.database}"
        return SqlCatalog("weir", uri=uri, warehouse=f"file://{self.warehouse}", **properties)

    def table(self, name: str = "t") -> Table:
        return self.catalog().load_table(f"web.{name}")

    def location(self, name: str = "t") -> str:
        return self.table(name).metadata_location

    def duckdb(self, query: str, name: str = "t") -> list[tuple]:
        """`t` in the query is the table."""
        path = engine.local_path(self.location(name))
        db = engine.duckdb_connection()
        return db.execute(f"with t as (select * from iceberg_scan('{path}')) {query}").fetchall()

    def counts(self, name: str = "t") -> set[tuple]:
        """(rows, sum(n), non-null x, non-null s) by each reader."""
        a = self.table(name).scan().to_arrow()
        total = sum(v for v in a[N].to_pylist() if v is not None)
        arrow = (a.num_rows, total, a.num_rows - a[X].null_count, a.num_rows - a[S].null_count)
        duck = self.duckdb("select count(*), coalesce(sum(n), 0), count(x), count(s) from t", name)[0]
        return {arrow, tuple(map(int, duck))}

    def weir(self, *args: str) -> engine.Outcome:
        return engine.weir("table", *args, "--lake", self.path)

    def files(self) -> set[pathlib.Path]:
        return {p for p in self.path.rglob("*") if p.is_file() and p != self.database}


def expected(times: int = 1, days: int = 2, rows: int = 10) -> set[tuple]:
    """What counts() gives after `times` writes of made-up rows."""
    n = sum(i - 5 for i in range(rows))
    x = sum(i % 3 != 0 for i in range(rows))
    s = sum(i % 4 != 0 for i in range(rows))
    return {tuple(v * times * days for v in (rows, n, x, s))}


SCHEMA = Schema(
    NestedField(1, S, StringType()),
    NestedField(2, "other", LongType()),
    NestedField(3, X, DoubleType()),
    NestedField(4, TS, TimestamptzType(), required=True),
    NestedField(5, N, IntegerType()),
    NestedField(6, L, LongType()),
    NestedField(7, ID, StringType()),
)
BY_DAY = PartitionSpec(PartitionField(4, 1000, DayTransform(), "a day"))


def arrow_rows(table: Table, count: int = 3, day: int = FIRST_DAY + 5) -> pa.Table:
    """Rows for a table of any column order."""
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)
    values = {
        ID: [f"py-{i}" for i in range(count)],
        TS: [start + dt.timedelta(seconds=i) for i in range(count)],
        N: [100] * count,
        L: [None] * count,
        X: [1.5] * count,
        S: ["py"] * count,
    }
    schema = table.schema().as_arrow()
    return pa.table(
        {f.name: pa.array(values.get(f.name, [None] * count), f.type) for f in schema}, schema=schema
    )
