"""Parquet input (1.5): what is written by PyArrow comes out as rows, or is refused by file and column."""

import datetime as dt
import decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weir_pythonic import inputs, timestamps
from weir_pythonic.cleanse import Cleanser
from weir_pythonic.errors import BadInput
from weir_pythonic.fields import Parsed
from weir_pythonic.job import COLUMNS, Pipeline


def table(rows=3, **columns):
    base = {c: pa.array([f"{c}{n}" for n in range(rows)]) for c in COLUMNS}
    base["timestamp"] = pa.array(["2024-01-02T03:04:05Z"] * rows)
    return pa.table(base | columns)


def read(path, tree=None, size=1 << 20):
    p = Pipeline.of(tree or {})
    [source] = inputs.read_headers(p, [str(path)])
    columns = [*p.columns.values(), *(k for k, _ in p.keep)]
    frames = [part().frame for part in inputs.parts(source, p, size, columns)]
    frame = pl.concat(frames)
    return frame.rename({str(at): name for name, at in source.where.items()}), p, source


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.parquet"


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("page", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_codecs_and_pages(path, codec, page, dictionary):
    t = table(1000)
    pq.write_table(
        t, path, compression=codec, data_page_version=page, use_dictionary=dictionary, row_group_size=300
    )
    for size in (1, 5000, 1 << 20):
        frame, _, _ = read(path, size=size)
        assert frame.height == 1000
        assert frame["page_url"].to_list() == t["page_url"].to_pylist()


US = [-1, 0, 1_704_164_645_123_456, timestamps.FIRST_US, timestamps.END_US - 1]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns", "int96"])
def test_timestamps(path, unit, zone):
    """ns are floored; without a zone they are UTC."""
    in_ns = [us * 1000 + 999 for us in US]
    if unit in ("ns", "int96"):
        values, expected = pa.array(in_ns, pa.int64()).cast(pa.timestamp("ns", zone)), US
    elif unit == "us":
        values, expected = pa.array(US, pa.int64()).cast(pa.timestamp("us", zone)), US
    else:
        ms = [us // 1000 for us in US]
        values, expected = pa.array(ms, pa.int64()).cast(pa.timestamp("ms", zone)), [m * 1000 for m in ms]
    options = {"use_deprecated_int96_timestamps": True} if unit == "int96" else {}
    pq.write_table(table(len(US), timestamp=values), path, **options)
    frame, _, _ = read(path)
    us, ok = timestamps.parse(frame["timestamp"], "iso8601")
    assert ok.all() and us.tolist() == expected


def test_typed_timestamps_in_rejects(path):
    us = [timestamps.FIRST_US - 1, None, timestamps.END_US, 5]
    values = pa.array(us, pa.int64()).cast(pa.timestamp("us"))
    pq.write_table(table(4, timestamp=values, event_id=pa.array([None] * 4, pa.string())), path)
    frame, p, _ = read(path)
    shown = timestamps.text_of(frame["timestamp"], p.timestamp)
    expected = [str(us[0]), None, str(us[2]), "1970-01-01T00:00:00.000005Z"]
    assert shown.to_list() == expected
    p = Pipeline.of({})
    [source] = inputs.read_headers(p, [str(path)])
    [part] = inputs.parts(source, p, 1 << 20, list(p.columns.values()))
    cleanser = Cleanser(p, None)
    judged = cleanser.judge(part(), source)
    names = {c: str(source.where[c]) for c in COLUMNS}
    rejects = cleanser._rejects(judged.frame, names, judged.reasons, source)
    assert rejects["timestamp"].to_list() == expected
    assert set(rejects["reason"]) == {"missing_event_id"}


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.uint32(), pa.uint64()])
def test_integers_under_epoch(path, kind):
    pq.write_table(table(3, timestamp=pa.array([0, 1_700_000_000, None], kind)), path)
    frame, p, _ = read(path, {"clean": {"timestamp": "epoch_s"}})
    us, ok = timestamps.parse(frame["timestamp"], p.timestamp)
    assert ok.tolist() == [True, True, False] and us[1] == 1_700_000_000_000_000
    with pytest.raises(BadInput, match='x.parquet: column "timestamp" is int|uint'):
        read(path)


def test_integers_out_of_range(path):
    values = [2**63 - 1, -(2**63), 9_300_000_000]
    pq.write_table(table(3, timestamp=pa.array(values, pa.int64())), path)
    frame, p, _ = read(path, {"clean": {"timestamp": "epoch_s"}})
    assert not timestamps.parse(frame["timestamp"], p.timestamp)[1].any()
    shown = timestamps.text_of(frame["timestamp"], p.timestamp).to_list()
    last = timestamps.LONG_MAX  # where 64 bits end it stays there
    assert shown == [str(last), str(-last - 1), str(values[2] * 1_000_000)]


def test_kept_columns_keep_their_type(path):
    kept = {
        "a": pa.array([1, None, -(2**40)]),
        "b": pa.array([0.5, None, 3.0], pa.float32()),
        "c": pa.array(["7", "x", " 8 "]),
    }
    pq.write_table(table(3, **kept), path)
    keep = [{"name": n, "type": t} for n, t in (("a", "long"), ("b", "double"), ("c", "long"))]
    frame, p, source = read(path, {"input": {"keep": keep}})
    cleanser = Cleanser(p, None)
    texts = cleanser._cleansed(Parsed(frame, [], frame.height)).to_dict()
    columns, nulled = cleanser._keep(texts)
    assert [s.to_list() for s in columns.values()] == [[1, None, -(2**40)], [0.5, None, 3.0], [7, None, 8]]
    assert nulled == {"a": 0, "b": 0, "c": 1}


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("page_url", pa.array([1, 2, 3]), "int64"),
        ("user_id", pa.array([[1], [2], [3]]), "nested"),
        ("device", pa.array([{"a": 1}] * 3), "nested"),
        ("timestamp", pa.array([dt.date(2024, 1, 1)] * 3), "date"),
        ("referrer", pa.array([decimal.Decimal("1.0")] * 3), "decimal"),
        ("user_id", pa.array([True] * 3), "bool"),
    ],
)
def test_other_types_are_refused(path, column, values, says):
    pq.write_table(table(3, **{column: values}), path)
    with pytest.raises(BadInput, match=f'x.parquet: column "{column}" is .*{says}|nested'):
        read(path)


def test_missing_twice_and_broken(path):
    pq.write_table(table().drop_columns("device"), path)
    with pytest.raises(BadInput, match='x.parquet: column "device" is not there'):
        read(path)
    path.write_bytes(b"PAR1 no PAR1")
    with pytest.raises(BadInput, match="x.parquet: "):
        read(path)


def test_encrypted(path):
    pq.write_table(table(), path)
    path.write_bytes(path.read_bytes()[:-4] + b"PARE")
    with pytest.raises(BadInput, match="x.parquet: is encrypted, all its columns"):
        read(path)


def test_text_that_is_not_utf8(path):
    octets = pa.array([b"ok", b"\xff", b"ok"]).view(pa.string())
    pq.write_table(table(3, referrer=octets), path)
    with pytest.raises(BadInput, match='x.parquet: column "referrer" .*UTF-8'):
        read(path)
