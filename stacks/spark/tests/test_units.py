"""Each module against something simpler than itself: socket, datetime, maxminddb, the grammar of CSV by hand."""

import datetime as dt
import gzip
import ipaddress
import pathlib
import random
import socket
import subprocess
import threading
import time

import pyarrow as pa
import pytest
import zstandard
from py4j.protocol import Py4JNetworkError

from weir_spark import (
    addresses,
    archive,
    cleanse,
    columnar,
    fields,
    jvm,
    mmdb,
    reading,
    s3,
    session,
    tables,
    timestamps,
    trust,
)
from weir_spark.errors import BadInput
from weir_spark.job import Job, Pipeline

HEADER = b"event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"
ROW = b"e1,u1,2024-01-02T03:04:05Z,/p,/r,Desktop,1.2.3.4\n"


def evaluate(spark, values, *expressions):
    """The expressions over a column `v` of text, as a list of tuples."""
    frame = spark.createDataFrame(pa.table({"n": range(len(values)), "v": pa.array(values, pa.string())}))
    rows = frame.selectExpr("n", *(f"{e} AS x{i}" for i, e in enumerate(expressions))).collect()
    return [tuple(row)[1:] for row in sorted(rows)]


def test_timestamps_by_datetime(spark):
    rng = random.Random(1)
    texts, expected = [], []
    for _ in range(2000):
        t = dt.datetime(1900, 1, 2) + dt.timedelta(seconds=rng.randrange(361 * 365 * 86400))
        digits = rng.randrange(7)
        fraction = f".{rng.randrange(10**digits):0{digits}d}" if digits else ""
        minutes = rng.choice([None, 0, 330, -90, 1080, -1080])
        zone = rng.choice(["", "Z"])
        if minutes is not None:
            hours, rest = divmod(abs(minutes), 60)
            zone = f"{'-' if minutes < 0 else '+'}{hours:02d}{rng.choice([':', ''])}{rest:02d}"
        texts.append(t.strftime(f"%Y-%m-%d{rng.choice('T ')}%H:%M:%S") + fraction + zone)
        seconds = (t - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1) - (minutes or 0) * 60
        expected.append((seconds * 1_000_000 + int((fraction[1:] + "000000")[:6]),))
    assert evaluate(spark, texts, timestamps.micros("v", "iso8601")) == expected


@pytest.mark.parametrize("form", ["iso8601", "epoch_s"])
def test_bad_timestamps(spark, form):
    bad = [None, "", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01"]
    bad += ["2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567", "2024-01-01T00:00:00+18:01", "+", "1e3"]
    bad += ["2024-01-01T00:00:00z", "1899-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "9" * 18, "9" * 19]
    bad += ["\uff12024-01-01T00:00:00", " 2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n", "9224318016"]
    assert evaluate(spark, bad, timestamps.micros("v", form)) == [(None,)] * len(bad)


def test_shown_timestamps_and_floors(spark):
    values = [-1, 0, -1_000_001, timestamps.FIRST_US, timestamps.END_US - 1]
    got = evaluate(
        spark,
        list(map(str, values)),
        timestamps.shown("CAST(v AS BIGINT)"),
        timestamps.floor_millis("CAST(v AS BIGINT)"),
    )
    epoch = dt.datetime(1970, 1, 1)
    for us, (text, millis) in zip(values, got):
        assert text == (epoch + dt.timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert millis == us // 1000


def addresses_of(rng, count):
    pieces = ["1", "abcd", "0", ":", "::", "F", ".", "1.2.3.4", "g", ":", "12345"]
    out = [
        "",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.4.5",
        "256.1.1.1",
        "::",
        "::1",
        "fe80::1%1",
        "1::2::3",
        "::ffff:1.2.3.4",
    ]
    for _ in range(count):
        groups = [f"{rng.getrandbits(rng.choice([1, 8, 16])):x}" for _ in range(rng.randrange(1, 9))]
        at = rng.randrange(len(groups) + 1)
        out.append(":".join(groups[:at]) + "::" + ":".join(groups[at:]))
        out.append(":".join(groups) + rng.choice(["", ":1.2.3.4", "::1.2.3.300"]))
        out.append(str(ipaddress.IPv6Address(rng.getrandbits(128))))
        out.append(".".join(str(rng.randrange(300)) for _ in range(4)))
        out.append("".join(rng.choice(pieces) for _ in range(rng.randrange(1, 14))))
    return out


def packed(family, text):
    try:
        return socket.inet_pton(family, text)
    except OSError:
        return None


def test_addresses_as_inet_pton(spark):
    texts = addresses_of(random.Random(2), 600)
    got = evaluate(spark, texts, addresses.is_ipv4("v"), addresses.is_ipv6("v"))
    assert got == [
        (packed(socket.AF_INET, t) is not None, packed(socket.AF_INET6, t) is not None) for t in texts
    ]


def test_values_of_addresses(spark):
    texts = addresses_of(random.Random(3), 300)
    four = [t for t in texts if packed(socket.AF_INET, t)]
    got = evaluate(spark, four, addresses.ipv4_number(addresses.octets("v")))
    assert got == [(int.from_bytes(packed(socket.AF_INET, t), "big"),) for t in four]
    six = [t for t in texts if packed(socket.AF_INET6, t)]
    frame = spark.createDataFrame(pa.table({"v": six}))
    digits = {row.v: row.digits for row in addresses.with_digits(frame, "v").collect()}
    assert digits == {t: packed(socket.AF_INET6, t).hex() for t in six}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a,b", ["a", "b"]),
        (b",", ["", ""]),
        (b'"a,""b",', ['a,"b', ""]),
        (b' "a",b"c', [' "a"', 'b"c']),
        (b'"",""""', ["", '"']),
        (b'"\r",b\r', ["\r", "b\r"]),
        (b"a", None),
        (b"a,b,c", None),
        (b'"a,b', None),
        (b'"a"x,b', None),
        (b"\xff,b", None),
        (b'"\xff",b', None),
    ],
)
@pytest.mark.parametrize("delimiter", [",", "|", "\t", "."])
def test_records(spark, line, expected, delimiter):
    line = line.replace(b",", delimiter.encode())
    pipeline = Pipeline.of({"input": {"csv": {"delimiter": delimiter}}})
    lines = spark.createDataFrame(pa.table({"b": pa.array([line], pa.binary())}))
    lines = lines.selectExpr("CAST(b AS STRING) AS line", "'x' AS source")
    row = fields.split_records(lines, pipeline, reading.Layout(2, (0, 1), 0)).collect()[0]
    assert row.ok == (expected is not None)
    if expected is not None:
        assert [row.f0, row.f1] == [e.replace(",", delimiter) for e in expected]


def test_a_record_of_many_quotes_needs_no_deep_stack(spark):
    text = '"' + '""' * 2_000_000 + '",b'
    lines = spark.createDataFrame(pa.table({"line": [text], "source": ["x"]}))
    rows = fields.split_records(lines, Pipeline.of({}), reading.Layout(2, (0, 1), 0))
    assert rows.selectExpr("ok", "octet_length(f0)").collect() == [(True, 2_000_000)]


def test_text_is_trimmed_nulled_and_lower_cased(spark):
    pipeline = Pipeline.of({"clean": {"null_tokens": ["-", "(Empty)", "É"]}})
    texts = [" a\t", "\t-", "(EMPTY)", "É", "é", "", "x-", " \t ", "a b", "n/a"]
    nulled = f"{cleanse._nulled(cleanse._trimmed('v'), pipeline)}"
    got = [v for (v,) in evaluate(spark, texts, nulled)]
    assert got == ["a", None, None, None, "é", None, "x-", None, "a b", "n/a"]
    assert evaluate(spark, ["ÄbC", "ABC", None], cleanse.ascii_lower("v")) == [("Äbc",), ("abc",), (None,)]


def test_kept_numbers(spark):
    texts = ["7", "+7", "-0", "1.0", "9" * 18, "9" * 19, "1e999", "-1e5", "5.", ".5", "nan", None]
    got = evaluate(spark, texts, cleanse.keep_value("v", "long"), cleanse.keep_value("v", "double"))
    assert [a for a, _ in got] == [7, 7, 0, None, 10**18 - 1, None] + [None] * 6
    assert [b for _, b in got] == [7.0, None, 0.0, 1.0, 1e18, 1e19, None, -1e5, None, None, None, None]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_headers_and_their_lines(tmp_path, suffix):
    data = b"\xef\xbb\xbf\r\n\n x ," + HEADER + b"1," + ROW
    pack = {".csv.gz": gzip.compress, ".csv.zst": zstandard.compress}.get(suffix, bytes)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(pack(data))
    source = reading.read_headers((str(path),), Pipeline.of({}))[0]
    assert source.layout == reading.Layout(8, (1, 2, 3, 4, 5, 6, 7), 2)
    if suffix != ".csv":
        path.write_bytes(pack(data)[:-3])
        with pytest.raises(BadInput, match="a.csv"):
            reading.read_headers((str(path),), Pipeline.of({}))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no header"),
        (b"\r\n\n", "no header"),
        (b"a,b\n", "event_id"),
        (HEADER[:-1] + b',"x\n', "malformed header"),
        (HEADER[:-1] + b",\xff\n", "malformed header"),
        (HEADER[:-1] + b",user_id\n", "twice"),
    ],
)
def test_bad_headers(tmp_path, data, says):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(BadInput, match=says):
        reading.read_headers((str(tmp_path / "a.csv"),), Pipeline.of({}))


def test_records_with_line_ends_inside(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b'1,"a\n\n""b",c\r\n\n2,"x"y,"z\n3,\n' + b'4,"' + b"q\n" * 100_000)
    got = [r for batch in reading.cut_records(str(path), path.name, ",") for r in batch.column(0).to_pylist()]
    assert got == [b'1,"a\n\n""b",c', b'2,"x"y,"z', b"3,", b'4,"' + b"q\n" * 100_000]


def test_ranges_of_a_database_are_what_it_finds():
    maxminddb = pytest.importorskip("maxminddb")
    path = session.STACK.parents[1] / ".cache/country.mmdb"
    if not path.exists():
        pytest.skip("no country database: scripts/setup")
    database, reader, rng = mmdb.read(str(path)), maxminddb.open_database(str(path)), random.Random(4)
    six, ends = database.ipv6, {}
    for i in range(len(six.first)):
        ends[int(six.first_hi[i]) << 64 | int(six.first[i])] = (
            int(six.last_hi[i]) << 64 | int(six.last[i]),
            i,
        )
    for first in rng.sample(sorted(ends), 500):
        last, i = ends[first]
        for n in (first, last, rng.randint(first, last)):
            assert mmdb.country_of(reader.get(str(ipaddress.IPv6Address(n)))) == six.country[i]
    four = database.ipv4
    for i in rng.sample(range(len(four.first)), 500):
        for n in (int(four.first[i]), int(four.last[i])):
            assert mmdb.country_of(reader.get(str(ipaddress.IPv4Address(n)))) == four.country[i]


def test_parquet_footers(tmp_path):
    names = HEADER.decode().strip().split(",")
    table = pa.table({n: pa.array(["x"]) for n in names})
    table = table.set_column(2, "timestamp", pa.array([1], pa.timestamp("ns")))
    path = str(tmp_path / "a.parquet")
    columnar.pq.write_table(table, path)
    source = columnar.read_footers([path], Pipeline.of({}))[0]
    assert (
        source.layout.kinds == ("text", "text", "nanos", "text", "text", "text", "text") and source.rows == 1
    )
    columnar.pq.write_table(table.set_column(2, "timestamp", pa.array([1])), path)
    with pytest.raises(BadInput, match='a.parquet: column "timestamp" is int64'):
        columnar.read_footers([path], Pipeline.of({}))
    assert columnar.read_footers([path], Pipeline.of({"clean": {"timestamp": "epoch_s"}}))


def test_budgets_fit_their_limit():
    for memory in (3 << 30, 4 << 30, 16 << 30):
        budget = session.Budget.of(2, memory)
        assert budget.heap + budget.pages + session.OUTSIDE_BYTES <= memory


def test_masters(monkeypatch):
    assert session.master(3) == "local[3]"
    monkeypatch.setenv("WEIR_SPARK_MASTER", "cluster")
    with pytest.raises(BadInput, match="SPARK_MASTER_URL"):
        session.master(3)
    monkeypatch.setenv("SPARK_MASTER_URL", "spark://127.0.0.1:7077")
    assert session.master(3) == "spark://127.0.0.1:7077"


def test_uris_of_catalogs(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "secret")
    uri, properties = tables._uri("postgresql://me@db:5432/lake")
    assert uri == "jdbc:postgresql://db:5432/lake"
    assert properties == {"jdbc.user": "me", "jdbc.password": "secret"}
    with pytest.raises(BadInput, match="mysql"):
        tables._uri("mysql://x")


def test_a_file_that_spark_cannot_read_is_named(spark, tmp_path):
    whole = gzip.compress(HEADER + ROW * 5000)
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011
        spark.read.text(str(path)).count()
    assert jvm.file_that_failed(caught.value) == str(path)


def target(spark, folder, run_id, mode="overwrite"):
    catalog = {"uri": f"sqlite://{folder}/lake/catalog.db", "warehouse": f"file://{folder}/lake/warehouse"}
    names = ("web", "events", "rejects")
    job = Job(run_id, mode, (), Pipeline.of({}), None, catalog, *names, 1, 2 << 30, None, None, None)
    columns = [(c, "string", c == "reason") for c in cleanse.REJECT_FIELDS]
    return tables.Target(tables.Lake(spark, job), job, "rejects", columns, None)


def written(spark, t, folder, count):
    rows = spark.range(count).selectExpr(*(f"'x' AS {c}" for c in cleanse.REJECT_FIELDS))
    t.write(rows.coalesce(1), str(folder / t.job.run_id), "none")
    return t


def rows_in(t):
    return int(t.lake.catalog.loadTable(t.identifier).currentSnapshot().summary().get("total-records"))


def test_the_archive_s_database_has_a_country_below_and_none_above(tmp_path):
    maxminddb = pytest.importorskip("maxminddb")
    path = tmp_path / "least.mmdb"
    path.write_bytes(archive.least_database())
    with maxminddb.open_database(path) as reader:
        assert reader.get("2001:db8::1") == {"country_code": "ZZ"}
        assert reader.get("8000::") is None
        assert reader.metadata().node_count == 1
    assert mmdb.read(str(path)).ipv6 is not None


def test_tasks_are_as_many_for_each_cpu():
    from weir_spark.pipeline import partitions_for

    job = Job("r", "overwrite", (), Pipeline.of({}), None, {}, "web", "e", "r", 3, 4 << 30, None, None, None)
    assert partitions_for(1 << 20, job) == 1
    counts = [partitions_for(size << 20, job) for size in range(64, 1 << 14, 97)]
    assert counts == sorted(counts) and counts[0] == 3 and counts[-1] > 3
    assert all(count % 3 == 0 for count in counts)


def test_overwrite_append_repeat(spark, tmp_path):
    for run_id, mode, count, after in (
        ("1", "overwrite", 2, 2),
        ("2", "append", 3, 5),
        ("3", "overwrite", 4, 4),
    ):
        t = target(spark, tmp_path, run_id, mode)
        assert t.held() is None
        assert written(spark, t, tmp_path, count).commit({"weir.run-id": run_id})
        assert rows_in(t) == after
    again = target(spark, tmp_path, "2")
    assert again.held() is not None
    assert not again.commit({"weir.run-id": "2"})
    assert len(list(again.table.snapshots())) == 3


def test_a_lost_race_replaces_what_is_current_then(spark, tmp_path):
    slow, quick = target(spark, tmp_path, "slow"), target(spark, tmp_path, "quick")
    for t, count in ((quick, 5), (slow, 3)):  # both would make the table
        assert written(spark, t, tmp_path, count).commit({"weir.run-id": t.job.run_id})
    assert rows_in(slow) == 3
    assert len(list(slow.table.snapshots())) == 2


def test_files_of_a_commit_that_nobody_answered_stay(spark, tmp_path, monkeypatch):
    def broken(*_):
        raise Py4JNetworkError("Answer from Java side is empty")

    t = written(spark, target(spark, tmp_path, "1"), tmp_path, 2)
    monkeypatch.setattr(t, "_commit", broken)
    with pytest.raises(Py4JNetworkError):
        t.commit({"weir.run-id": "1"})
    assert t.committed  # as far as anybody knows, so that Run.tidy discards nothing


def test_what_begins_after_a_cancel_is_cancelled(spark):
    from weir_spark.__main__ import Engine

    engine = Engine()
    engine.spark = spark
    threading.Thread(target=engine.cancel, daemon=True).start()
    engine.stop.wait()
    time.sleep(0.3)  # the first cancel finds nothing
    try:
        with pytest.raises(Exception, match="cancelled"):
            spark.range(2 * 10**10).selectExpr("sum(id * id % 7)").collect()
    finally:
        engine.ended.set()


def test_files_that_tasks_left_are_discarded(spark, tmp_path):
    t = written(spark, target(spark, tmp_path, "1"), tmp_path, 2)
    (left,) = tmp_path.glob("lake/warehouse/**/*.parquet")
    left.with_name("left.parquet").write_bytes(b"PAR1")  # which no message names
    t.discard()
    assert not list(tmp_path.glob("lake/warehouse/**/*.parquet"))


def test_a_range_of_half_of_all_addresses_stands_in_few_buckets(tmp_path):
    from weir_spark import archive, countries, mmdb

    file = tmp_path / "least.mmdb"
    file.write_bytes(archive.least_database())
    found = mmdb.read(str(file))
    assert len(found.ipv6.first) >= 1
    assert countries._ipv6_table(found.ipv6).num_rows <= 1 << 16
    assert countries._ipv4_table(found.ipv4).num_rows <= 1 << 16


def test_a_database_read_early_fails_when_it_is_wanted(tmp_path):
    from weir_spark import countries

    cache, path = countries.CountryCache(), str(tmp_path / "none.mmdb")
    cache.begin(path)
    with pytest.raises(BadInput, match="none.mmdb"):
        cache.get(None, path)


def test_service_of_job_and_environment(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert s3.Service.of(None) == s3.Service("", "us-east-1", False)
    given = {"endpoint": "http://127.0.0.1:9000/", "region": "eu-west-1", "path_style": False}
    assert s3.Service.of(given) == s3.Service("http://127.0.0.1:9000", "eu-west-1", False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert s3.Service.of({}) == s3.Service("https://s3.example", "eu-north-1", True)
    for wrong in ("127.0.0.1:9000", "ftp://x", "http://", "http://key:secret@x"):
        with pytest.raises(BadInput) as caught:
            s3.Service.of({"endpoint": wrong})
        assert "secret" not in str(caught.value)


def test_failed_objects_of_s3_by_their_names():
    text = "Encountered error while reading file s3://lake/a%20b/c.csv. SQLSTATE: KD001"
    found = jvm._READING.search(text)
    assert found[1] + found[2] == "s3://lake/a%20b/c.csv"


def test_trusted_authorities_as_java_reads_them(tmp_path, monkeypatch):
    def run(*command):
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    bundle = tmp_path / "bundle.pem"
    for n in range(2):
        new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        run(*new, "-subj", f"/CN=authority {n}", "-keyout", "key.pem", "-out", "one.pem")
        with bundle.open("a") as f:
            f.write("# a comment\n" + (tmp_path / "one.pem").read_text())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    option = trust.trust_options(str(tmp_path))[0]
    keytool = pathlib.Path(session.java()).resolve().parent / "keytool"
    store = option.removeprefix("-Djavax.net.ssl.trustStore=")
    listed = run(str(keytool), "-list", "-v", "-keystore", store, "-storepass", trust.PASSWORD)
    assert "CN=authority 0" in listed and "CN=authority 1" in listed
    bundle.write_text("nothing")
    with pytest.raises(BadInput, match="holds no certificate"):
        trust.trust_options(str(tmp_path))
    monkeypatch.delenv("AWS_CA_BUNDLE")
    assert trust.trust_options(str(tmp_path)) == []
