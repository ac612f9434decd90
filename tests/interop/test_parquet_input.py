"""Parquet files of many writers, read by weir (1.5, 1.6, 4.2): the tables are those of the CSV of the same rows,
by `weir verify`; and those of the slow reference, which reads Parquet through pyarrow.

WEIR_TEST_SEEDS, WEIR_TEST_SEED as in e2e/test_differential.py.
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
import pathlib
import random
import threading
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from conformance import cases
from reference import pipeline_reference as reference
from tools import clicks, engine, mmdb_writer
from tools.spark import Spark, spark_only

pytestmark = pytest.mark.skipif(
    not engine.stack_has("parquet"), reason=f"the stack {engine.STACK} reads no Parquet"
)
SEEDS = int(os.environ.get("WEIR_TEST_SEEDS", "40"))
FIRST = int(os.environ.get("WEIR_TEST_SEED", "1"))
COLUMNS = list(reference.COLUMNS)
KEEP = [{"name": n, "type": t} for n, t in (("word", "string"), ("whole", "long"), ("real", "double"))]
ROWS = 6000


@pytest.fixture(scope="module")
def mmdb(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("mmdb") / "small.mmdb"
    path.write_bytes(mmdb_writer.build(cases.NETWORKS))
    return path


def yaml(folder: pathlib.Path, tree: dict[str, Any]) -> pathlib.Path:
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(tree))
    return path


# ---- the same rows as CSV and from each writer ----------------------------------------------------------


@pytest.fixture(scope="module")
def same(tmp_path_factory, mmdb):
    """A lake that holds the CSV's tables, and its rows as a frame; everything is dirty but the timestamps."""
    folder = tmp_path_factory.mktemp("same")
    csv = clicks.write(folder / "rows.csv", ROWS)
    frame = pl.read_csv(csv, infer_schema_length=0).with_columns(
        pl.int_range(pl.len()).alias("whole"), (pl.int_range(pl.len()) / 7).alias("real"), word=pl.lit("é €")
    )
    frame = frame.with_columns(pl.when(pl.col("whole") % 9 == 4).then(None).otherwise("real").alias("real"))
    frame.write_csv(csv)
    lake = engine.Lake(folder / "lake")
    pipeline = yaml(folder, {"input": {"keep": KEEP}})
    lake.run([csv], mmdb, "--namespace", "csv", pipeline=pipeline)
    timed = frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us"))

    def check(*files: pathlib.Path) -> None:
        lake.run(files, mmdb, "--namespace", "parquet", pipeline=pipeline)
        done = engine.weir("verify", "--quick", "--lake", lake.path, "csv.events", "parquet.events")
        assert done.code == 0, done.out

    return folder, frame, timed, check


def arrow(frame: pl.DataFrame) -> pa.Table:
    """As pyarrow's users have it: string, not large_string."""
    table = frame.to_arrow()
    for i, f in enumerate(table.schema):
        if pa.types.is_large_string(f.type):
            table = table.set_column(i, f.name, table.column(i).cast(pa.string()))
    return table


TEXTS = [c for c in COLUMNS if c != "timestamp"] + ["word"]
PYARROW: dict[str, dict[str, Any]] = {
    "defaults": {},
    **{f"codec-{c}": {"compression": c} for c in ("none", "snappy", "gzip", "zstd", "lz4")},
    **{f"v2-{c}": {"compression": c, "data_page_version": "2.0"} for c in ("none", "snappy", "gzip", "lz4")},
    "old-format": {"version": "1.0"},
    "plain": {"use_dictionary": False},
    "plain-v2": {"use_dictionary": False, "data_page_version": "2.0"},
    "dictionary-falls-back": {"dictionary_pagesize_limit": 500, "data_page_size": 1000},
    "small-pages": {"data_page_size": 300, "write_batch_size": 10},
    "small-groups": {"row_group_size": 37},
    "one-row-groups": {"row_group_size": 1},
    "checksums": {"write_page_checksum": True},
    "checksums-v2": {"write_page_checksum": True, "data_page_version": "2.0"},
    "indexes": {"write_page_index": True, "store_schema": False},
    "int96": {"use_deprecated_int96_timestamps": True},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {
            **dict.fromkeys(TEXTS, "DELTA_BYTE_ARRAY"),
            **dict.fromkeys(("timestamp", "whole"), "DELTA_BINARY_PACKED"),
            "real": "BYTE_STREAM_SPLIT",
        },
    },
    "delta-length-v2": {
        "use_dictionary": False,
        "data_page_version": "2.0",
        "column_encoding": {
            **dict.fromkeys(TEXTS, "DELTA_LENGTH_BYTE_ARRAY"),
            **dict.fromkeys(("timestamp", "whole"), "BYTE_STREAM_SPLIT"),
        },
    },
    "delta-small-pages": {
        "use_dictionary": False,
        "data_page_size": 2000,
        "column_encoding": {**dict.fromkeys(TEXTS, "DELTA_BYTE_ARRAY"), "timestamp": "DELTA_BINARY_PACKED"},
    },
}


@pytest.mark.parametrize("name", PYARROW)
def test_1_5_pyarrow(same, name) -> None:
    folder, _, timed, check = same
    pq.write_table(arrow(timed), folder / "a.parquet", **PYARROW[name])
    check(folder / "a.parquet")


TIMES = [
    pa.timestamp("us"),
    pa.timestamp("ns"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns", "Europe/Berlin"),
]


@pytest.mark.parametrize("kind", [*TIMES, pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_1_5_types_of_timestamps_and_texts(same, kind) -> None:
    folder, frame, timed, check = same
    table = (arrow(timed) if pa.types.is_timestamp(kind) else arrow(frame)).drop_columns(["real"])
    table = table.append_column("real", arrow(frame)["real"])
    for name in ["timestamp"] if pa.types.is_timestamp(kind) else [*TEXTS, "timestamp"]:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    pq.write_table(table, folder / "a.parquet")
    check(folder / "a.parquet")


def test_1_5_required_columns(same) -> None:
    folder, _, timed, check = same
    table = arrow(timed)
    fields = [pa.field(f.name, f.type, nullable=table[f.name].null_count > 0) for f in table.schema]
    assert sum(not f.nullable for f in fields) > 4
    table = table.cast(pa.schema(fields))
    pq.write_table(table, folder / "a.parquet")
    check(folder / "a.parquet")


def test_1_5_all_as_text(same) -> None:
    folder, frame, _, check = same
    pq.write_table(arrow(frame.cast(pl.String)), folder / "a.parquet")
    check(folder / "a.parquet")


def test_1_5_columns_in_any_order_among_others(same) -> None:
    """Nested ones too, as long as nobody wants them."""
    folder, _, timed, check = same
    table = arrow(timed).select(list(reversed(timed.columns)))
    nested = pa.array([{"a": [n], "b": {"c": str(n)}} for n in range(ROWS)])
    table = table.add_column(3, "nested", nested).add_column(5, "when", pa.array([True] * ROWS))
    pq.write_table(table, folder / "a.parquet", row_group_size=1000)
    check(folder / "a.parquet")


@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "lz4", "zstd"])
def test_1_5_polars(same, codec) -> None:
    folder, _, timed, check = same
    timed.write_parquet(folder / "a.parquet", compression=codec, row_group_size=2500)
    check(folder / "a.parquet")


def test_1_5_polars_streaming(same) -> None:
    folder, frame, _, check = same
    frame.lazy().sink_parquet(folder / "a.parquet")
    check(folder / "a.parquet")


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw"])
def test_1_5_duckdb(same, codec, version) -> None:
    folder, _, timed, check = same
    duckdb.sql(
        f"copy timed to '{folder}/a.parquet' (format parquet, codec {codec}, parquet_version {version},"
        " row_group_size 2048)"
    )
    check(folder / "a.parquet")


def test_1_5_folders_mixed_with_csv_and_files_without_an_ending(same) -> None:
    """Athena gives its files no ending; they are known by their magic."""
    folder, frame, timed, check = same
    data = folder / "mixed"
    data.mkdir()
    frame.head(1000).write_csv(data / "1.csv")
    timed.slice(1000, 2000).write_parquet(data / "2.parquet")
    timed.slice(3000, 2500).write_parquet(data / "3.parquet")
    timed.slice(5500).write_parquet(folder / "20240101_000000_00001_abcde")
    (data / "_SUCCESS").touch()
    (data / ".2.parquet.crc").write_bytes(b"crc")
    check(data, folder / "20240101_000000_00001_abcde")


def test_1_5_a_pipe(same) -> None:
    """A named pipe is copied before it is read."""
    folder, _, timed, check = same
    timed.write_parquet(folder / "whole")
    pipe = folder / "pipe.parquet"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((folder / "whole").read_bytes()))
    writer.start()
    check(pipe)
    writer.join()


@spark_only
def test_1_5_spark(same, tmp_path) -> None:
    folder, _, timed, check = same
    timed.write_parquet(folder / "source.parquet", use_pyarrow=True)
    spark = Spark(tmp_path / "spark")
    try:
        settings = [
            ("spark.sql.parquet.outputTimestampType", kind) for kind in ("INT96", "TIMESTAMP_MICROS")
        ] + [("spark.sql.parquet.compression.codec", c) for c in ("uncompressed", "gzip", "lz4_raw", "zstd")]
        settings += [("parquet.writer.version", "v2"), ("parquet.enable.dictionary", "false")]
        for n, (key, value) in enumerate(settings):
            spark.sql(f"set {key}={value}")
            got = spark.sql(
                f"insert overwrite directory '{tmp_path}/{n}' using parquet"
                f" select * from parquet.`{folder}/source.parquet`"
            )
            assert got == []
            check(tmp_path / str(n))
    finally:
        spark.stop()


# ---- against the reference -------------------------------------------------------------------------------

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
NULLS = [None, "", " ", "null", "NaN", "-"]


class Writer:
    """Random rows of random types, written by random writers."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.form = self.r.choice(["iso8601", "iso8601", "iso8601", "epoch_s", "epoch_ms", "epoch_us"])

    def maybe(self, values: list[Any], odds: float = 0.1) -> list[Any]:
        return [self.r.choice(NULLS) if self.r.random() < odds else v for v in values]

    def texts(self, n: int, make: Callable[[int], str]) -> pa.Array:
        values = self.maybe([make(i) for i in range(n)])
        kind = self.r.choice([pa.string(), pa.string(), pa.large_string(), pa.binary(), "dictionary"])
        if kind == "dictionary":
            return pa.array(values, pa.string()).dictionary_encode()
        return pa.array(values, pa.string()).cast(kind)

    def times(self, n: int) -> pa.Array:
        unit = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}.get(self.form, 1)
        start = int(START.timestamp()) * 1_000_000
        us = [
            start + self.r.randrange(400) * 10_000_000 + self.r.choice([0, 0, 1, 999_999]) for _ in range(n)
        ]
        far = [reference.FIRST_US - 1, reference.FIRST_US, reference.END_US - 1, reference.END_US, -1, 10**16]
        us = [self.r.choice(far) if self.r.random() < 0.05 else v for v in us]
        nulled = [None if self.r.random() < 0.05 else v for v in us]
        kind = self.r.choice(["text", "ms", "us", "us-utc", "ns", "integer"])
        if kind == "text":
            texts = [str(v // unit) if self.form != "iso8601" else reference.print_timestamp(v) for v in us]
            return pa.array(self.maybe(texts, 0.05), pa.string())
        if kind == "integer" and self.form != "iso8601":
            return pa.array([v if v is None else v // unit for v in nulled], pa.int64())
        if kind == "ms":
            return pa.array([v if v is None else v // 1000 for v in nulled], pa.timestamp("ms"))
        if kind == "ns":
            inside = [v if v is None else max(-(2**63) + 9, min(2**63 - 9, v * 1000 + 7)) for v in nulled]
            return pa.array(inside, pa.int64()).cast(pa.timestamp("ns"))
        return pa.array(nulled, pa.int64()).cast(pa.timestamp("us", "UTC" if kind == "us-utc" else None))

    def longs(self, n: int) -> pa.Array:
        kind = self.r.choice(
            [pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64(), pa.string()]
        )
        if kind == pa.string():
            return pa.array(self.maybe([str(self.r.randrange(-5, 5)) for _ in range(n)], 0.3), kind)
        if self.r.random() < 0.1:
            return pa.nulls(n)
        bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        pick = [low, high, 0, 1, None]
        return pa.array([self.r.choice([*pick, self.r.randint(low, high)]) for _ in range(n)], kind)

    def reals(self, n: int) -> pa.Array:
        if self.r.random() < 0.3:
            return self.longs(n)
        kind = self.r.choice([pa.float32(), pa.float64()])
        pick = [0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), None, 1e-310, -1e30]
        return pa.array([self.r.choice([*pick, self.r.random()]) for _ in range(n)], kind)

    def table(self) -> pa.Table:
        n = self.r.choice([0, 1, 5, 300, 1500])
        r = self.r
        columns = {
            "event_id": self.texts(n, lambda i: f"e{r.randrange(n * 2)}"),
            "user_id": self.texts(n, lambda i: r.choice(["ann", "bob", "jörg", f" u{r.randrange(20)}\t"])),
            "timestamp": self.times(n),
            "page_url": self.texts(
                n, lambda i: "/p" * r.randrange(4) + "x" * r.choice([0, 1, 249, 250, 251, 900])
            ),
            "referrer": pa.nulls(n) if r.random() < 0.1 else self.texts(n, lambda i: f"/r{r.randrange(3)}"),
            "device": self.texts(n, lambda i: r.choice(["Mobile", "DESKTOP", "Ä"])),
            "ip_address": self.texts(n, lambda i: r.choice(["1.2.3.4", "2001:db8::1", "x", "9.9.9.9"])),
            "word": self.texts(n, lambda i: f"w{i % 3}"),
            "whole": self.longs(n),
            "real": self.reals(n),
        }
        names = list(columns)
        r.shuffle(names)
        return pa.table({c: columns[c] for c in names})

    def write(self, path: pathlib.Path) -> None:
        table = self.table()
        options = {
            "compression": self.r.choice(["none", "snappy", "gzip", "zstd", "lz4"]),
            "data_page_version": self.r.choice(["1.0", "2.0"]),
            "data_page_size": self.r.choice([100, 5000, 1 << 20]),
            "write_batch_size": self.r.choice([1, 7, 1024]),
            "use_dictionary": self.r.random() < 0.6,
            "dictionary_pagesize_limit": self.r.choice([10, 1 << 20]),
            "row_group_size": self.r.choice([1, 50, 1000, 1 << 20]),
            "write_page_checksum": self.r.random() < 0.5,
        }
        if not options["use_dictionary"]:
            encodings = {}
            for f in table.schema:
                kind = f.type.value_type if pa.types.is_dictionary(f.type) else f.type
                choices = ["PLAIN"]
                if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
                    choices += ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]
                elif pa.types.is_floating(kind):
                    choices += ["BYTE_STREAM_SPLIT"]
                elif not pa.types.is_null(kind):
                    choices += ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]
                encodings[f.name] = self.r.choice(choices)
            options["column_encoding"] = encodings
        plain = table.schema
        for i, f in enumerate(plain):
            if pa.types.is_dictionary(f.type):
                table = table.set_column(i, f.name, table[f.name].cast(f.type.value_type))
        pq.write_table(table, path, **options)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_1_5_random_files_equal_the_reference(seed, tmp_path, mmdb) -> None:
    w = Writer(seed)
    files = {}
    for n in range(w.r.choice([1, 1, 3])):
        path = tmp_path / f"{n}.parquet"
        w.write(path)
        files[path.name] = path.read_bytes()
    tree = {"input": {"keep": KEEP}, "clean": {"timestamp": w.form}}
    lake = engine.Lake(tmp_path / "lake")
    args = ["--threads", w.r.choice("124")]
    if w.r.random() < 0.3:
        args += ["--memory", "16MiB"]
    done = lake.run([tmp_path / n for n in files], mmdb, *args, pipeline=yaml(tmp_path, tree), ok=False)
    expected = reference.run(list(files.items()), tree, str(mmdb))
    assert done.code == 0, done.err
    assert not (out := engine.compare(lake, expected, done, [k["name"] for k in KEEP])), "\n".join(out)


def test_1_5_values_of_any_length(tmp_path, mmdb) -> None:
    """Up to what a record may have; a row beyond 16 MiB is an error."""
    rows = [dict(cases.DEFAULT_ROW, event_id=f"e{n}", page_url="x" * size) for n, size in
            enumerate([0, 250, 251, 65_536, 3 << 20])]  # fmt: skip
    for encoding in ("PLAIN", "DELTA_BYTE_ARRAY"):
        path = tmp_path / "long.parquet"
        pq.write_table(
            pa.Table.from_pylist(rows), path, use_dictionary=False, column_encoding={"page_url": encoding}
        )
        lake = engine.Lake(tmp_path / "lake")
        done = lake.run([path], mmdb)
        expected = reference.run([(path.name, path.read_bytes())], None, str(mmdb))
        assert not (out := engine.compare(lake, expected, done, [])), "\n".join(out)
    pq.write_table(pa.Table.from_pylist([dict(rows[0], page_url="x" * (16 << 20))]), path)
    done = lake.run([path], mmdb, ok=False)
    assert done.code == 3
    assert "long.parquet" in done.err and "16 MiB" in done.err


def test_1_5_no_rows(tmp_path, mmdb) -> None:
    table = pa.Table.from_pylist([cases.DEFAULT_ROW])
    for empty in (table.slice(0, 0), table):
        pq.write_table(empty, tmp_path / f"{empty.num_rows}.parquet")
    with pq.ParquetWriter(tmp_path / "no-groups.parquet", table.schema):
        pass
    lake = engine.Lake(tmp_path / "lake")
    done = lake.run([tmp_path / "0.parquet", tmp_path / "no-groups.parquet"], mmdb)
    assert done.ledger["rows_in"] == 0
    assert lake.run([tmp_path], mmdb).ledger["rows_in"] == 1


# ---- what is refused: exit 3, one line that names file and column, tables as they were ---------------------


@pytest.fixture(scope="module")
def held(tmp_path_factory, mmdb):
    """A lake that a failed run must leave as it is."""
    folder = tmp_path_factory.mktemp("held")
    lake = engine.Lake(folder / "lake")
    good = folder / "good.csv"
    good.write_bytes(cases.csv(cases.row(), b"bad"))
    lake.run([good], mmdb)
    before = lake.state()

    def fails(path: pathlib.Path, *says: str, keep: list | None = None) -> str:
        pipeline = yaml(folder, {"input": {"keep": keep or []}})
        done = lake.run([path] if keep else [good, path], mmdb, pipeline=pipeline, ok=False)
        assert done.code == 3, f"exit {done.code}: {done.err}"
        assert done.err.count("\n") == 1, done.err
        for text in (path.name, *says):
            assert text in done.err, done.err
        assert lake.state() == before
        assert not [p for p in folder.rglob("*.part")]
        return done.err

    return folder, fails


GOOD = pa.Table.from_pylist([dict(cases.DEFAULT_ROW, event_id=f"e{n}") for n in range(500)])


def with_column(name: str, values: pa.Array) -> pa.Table:
    return GOOD.set_column(GOOD.column_names.index(name), name, values)


N = GOOD.num_rows
WRONG = {
    "integer-text": ("user_id", pa.array(range(N)), ["an integer", "text"]),
    "boolean": ("device", pa.array([True] * N), ["a boolean"]),
    "date": ("timestamp", pa.array([datetime.date(2024, 1, 2)] * N), ["a date"]),
    "time": ("timestamp", pa.array([datetime.time(1, 2)] * N), ["a time of day"]),
    "integer-time": ("timestamp", pa.array(range(N)), ["an integer", "clean.timestamp"]),
    "double-time": ("timestamp", pa.array([1.5] * N), ["a floating-point number"]),
    "decimal": ("referrer", pa.array([decimal.Decimal("1.5")] * N), ["a decimal"]),
    "fixed": ("referrer", pa.array([b"1234"] * N, pa.binary(4)), ["binary of fixed length"]),
    "list": ("page_url", pa.array([["a"]] * N), ["nested"]),
    "struct": ("page_url", pa.array([{"a": 1}] * N), ["nested"]),
    "map": ("page_url", pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int32())), ["nested"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_1_5_wrong_type(held, name) -> None:
    folder, fails = held
    column, values, says = WRONG[name]
    pq.write_table(with_column(column, values), folder / f"{name}.parquet")
    fails(folder / f"{name}.parquet", f'"{column}"', *says)


@pytest.mark.parametrize(
    ("values", "kind"),
    [(pa.array([1.5] * N), "long"), (pa.array([1] * N), "string"), (pa.array([True] * N), "double")],
)
def test_1_6_wrong_type_of_a_kept_column(held, values, kind) -> None:
    folder, fails = held
    path = folder / "keep.parquet"
    pq.write_table(GOOD.append_column("extra", values), path)
    fails(path, '"extra"', keep=[{"name": "extra", "type": kind}])


def test_1_3_missing_and_repeated_columns(held) -> None:
    folder, fails = held
    pq.write_table(GOOD.drop_columns(["device"]), folder / "without.parquet")
    fails(folder / "without.parquet", '"device"', "user_id")
    pq.write_table(GOOD.append_column("device", GOOD["device"]), folder / "twice.parquet")
    fails(folder / "twice.parquet", '"device"', "twice")


@pytest.mark.parametrize("dictionary", [True, False])
def test_1_5_not_utf8(held, dictionary) -> None:
    folder, fails = held
    values = [b"/\xff" if n == 400 else b"/" for n in range(N)]
    path = folder / "latin.parquet"
    pq.write_table(with_column("page_url", pa.array(values)), path, use_dictionary=dictionary)
    fails(path, '"page_url"', "UTF-8")


def test_1_5_unknown_codec(held) -> None:
    folder, fails = held
    pq.write_table(GOOD, folder / "brotli.parquet", compression="brotli")
    fails(folder / "brotli.parquet", '"event_id"', "brotli")


class Keys(pe.KmsClient):
    """Keys wrapped in nothing."""

    def __init__(self, _config: pe.KmsConnectionConfig) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, _master: str) -> bytes:
        return key_bytes.hex().encode()

    def unwrap_key(self, wrapped: bytes, _master: str) -> bytes:
        return bytes.fromhex(wrapped.decode())


@pytest.mark.parametrize("plain_footer", [False, True])
def test_1_5_encrypted(held, plain_footer) -> None:
    folder, fails = held
    path = folder / "encrypted.parquet"
    config = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["page_url"]}, plaintext_footer=plain_footer
    )
    factory = pe.CryptoFactory(Keys)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(path, GOOD.schema, encryption_properties=properties) as writer:
        writer.write_table(GOOD)
    err = fails(path, "is encrypted")
    assert not plain_footer or '"page_url"' in err


def test_1_5_damaged(held) -> None:
    """Cut anywhere, or with bytes overwritten: refused, or (where the bytes say nothing) read; never worse."""
    folder, fails = held
    path = folder / "damaged.parquet"
    pq.write_table(GOOD, path, compression="zstd", write_page_checksum=True)
    data = path.read_bytes()
    for size in [0, 1, 4, 8, 11, 12, len(data) // 2, len(data) - 300, len(data) - 8, len(data) - 1]:
        path.write_bytes(data[:size])
        fails(path)
    path.write_bytes(data[:-8] + (10**9).to_bytes(4, "little") + b"PAR1")
    fails(path, "footer")
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[: footer + 20] + bytes(100) + data[footer + 120 :])
    fails(path, "footer")
    for at in (40, 300):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        fails(path, "column")
    path.write_bytes(cases.csv(cases.row()))
    fails(path, "PAR1")
