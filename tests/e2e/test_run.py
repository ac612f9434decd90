"""Whole runs on larger and real data: every thread count and budget gives the same rows, and the right ones."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
from reference import pipeline_reference as reference
from tools import clicks, engine

ROWS = int(os.environ.get("WEIR_TEST_ROWS", "700000"))


def digest(lake: engine.Lake, table: str) -> tuple:
    """Order-independent: rows, and per column the sum of hashes of (value, key)."""
    location = lake.location(table)
    db = engine.duckdb_connection()
    path = engine.local_path(location)
    scan = f"iceberg_scan('{path}')"
    names = [r[0] for r in db.execute(f"describe select * from {scan}").fetchall()]
    names = [n for n in names if n != "source_file"]
    key = "user_id, event_time, event_id" if table == "events" else "user_id, timestamp, event_id"
    sums = ", ".join(f'sum(hash("{n}", {key})::hugeint)' for n in names)
    return db.execute(f"select count(*), {sums} from {scan}").fetchone()


@pytest.fixture(scope="module")
def bulk(tmp_path_factory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("bulk")
    return {
        "ordered": clicks.write(folder / "ordered.csv", ROWS),
        "shuffled": clicks.write(folder / "shuffled.csv", ROWS, shuffled=True, days=20),
        "one-visitor": clicks.write(folder / "one.csv", ROWS, one_visitor=0.5),
    }


@pytest.fixture(scope="module")
def first_digest() -> dict[str, tuple]:
    return {}


@pytest.mark.parametrize("kind", ["ordered", "shuffled", "one-visitor"])
@pytest.mark.parametrize(
    ("threads", "memory"),
    [("1", None), ("2", None), ("7", None), ("1", "16MiB"), ("2", "16MiB"), ("7", "16MiB"), ("2", "64MB")],
)
def test_same_rows(lake, bulk, small_mmdb, first_digest, kind, threads, memory):
    # 16 MiB: keys, results and the sort of one visitor's events all go through temporary files
    args = ["--threads", threads] + (["--memory", memory] if memory else [])
    done = lake.run([bulk[kind]], small_mmdb, *args)
    numbers = [done.ledger[k] for k in ("rows_in", "rows_out", "rejected", "sessions", "users")]
    got = (numbers, digest(lake, "events"), digest(lake, "rejects"))
    assert got == first_digest.setdefault(kind, got)


@pytest.mark.parametrize("kind", ["ordered", "shuffled", "one-visitor"])
def test_against_sql(lake, bulk, small_mmdb, kind):
    """The same rules as one SQL statement in DuckDB, for clean data."""
    lake.run([bulk[kind]], small_mmdb)
    db = engine.duckdb_connection()
    db.execute(f"""
        create or replace temp table expected as
        with input as (
            select event_id, user_id, epoch_us(timestamp::timestamp) as t, page_url, referrer,
                   coalesce(lower(device), 'unknown') as device, ip_address
            from read_csv('{bulk[kind]}', all_varchar = true)
        ), numbered as (
            select *, row_number() over (partition by user_id, t, event_id
                order by page_url nulls first, referrer nulls first, device, ip_address) as copy
            from input
        ), kept as (select * from numbered where copy = 1),
        begun as (
            select *, coalesce(t - lag(t) over w > 1800000000, true) as first
            from kept window w as (partition by user_id order by t, event_id)
        ), grouped as (
            select *, sum(first::int) over (partition by user_id order by t, event_id) as nth from begun
        )
        select event_id, user_id,
               user_id || '-' || (min(t) over s // 1000) as session_id,
               row_number() over (partition by user_id, nth order by t, event_id)::int as event_seq,
               t as event_time, min(t) over s as session_start, page_url, referrer, device, ip_address
        from grouped window s as (partition by user_id, nth)""")
    path = engine.local_path(lake.location("events"))
    got = f"""select event_id, user_id, session_id, event_seq, epoch_us(event_time), epoch_us(session_start),
              page_url, referrer, device, ip_address from iceberg_scan('{path}')"""
    for one, other in (("select * from expected", got), (got, "select * from expected")):
        rows = db.execute(f"select * from ({one} except all {other}) limit 5").fetchall()
        assert rows == []
    wrong = db.execute(f"""select count(*) from iceberg_scan('{path}') where country !=
        (['US','DE','FR','JP','BR','IN','ZA'])[split_part(ip_address, '.', 1)::int % 7 + 1]
        and ip_address not like '1.2.3.%'""").fetchone()
    assert wrong == (0,)


KEEP = [
    {"name": "status", "type": "long"},
    {"name": "bytes", "type": "long"},
    {"name": "user_agent", "type": "string"},
]


def test_access_log(lake, access_log, real_mmdb, tmp_path):
    """A real server's log, compared row for row, and looked at for plausibility."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(json.dumps({"input": {"keep": KEEP}}))
    done = lake.run([access_log], real_mmdb, pipeline=pipeline)
    files = [(access_log.name, access_log.read_bytes())]
    expected = reference.run(files, {"input": {"keep": KEEP}}, str(real_mmdb))
    out = engine.compare(lake, expected, done, [k["name"] for k in KEEP])
    assert not out, "\n".join(out)
    assert done.ledger["rows_in"] == done.ledger["rows_out"] + sum(done.ledger["rejected"].values())
    events = lake.read("events")
    country = [row[10] for row in events.rows]
    assert country.count("ZZ") < len(country) / 20
    assert len(set(country)) > 10
    assert all(len(c) == 2 and c.isupper() for c in country)
    status = {row[11] for row in events.rows}
    assert 200 in status and status <= set(range(100, 600))
    assert done.ledger["users"] <= done.ledger["sessions"] <= done.ledger["rows_out"]


def test_standard_input(lake, small_mmdb):
    data = clicks.HEADER.encode() + b"e1,u1,2024-01-02T03:04:05Z,/,,,1.2.3.4\nx\n"
    lake.run(["-"], small_mmdb, stdin=data)
    assert [row[0] for row in lake.read("events").rows] == ["e1"]
    assert len(lake.read("rejects").rows) == 1


def test_folders_globs_and_repeats(lake, small_mmdb, tmp_path):
    """A folder's data files, and no file twice however often it is named."""
    folder = tmp_path / "in"
    (folder / "deep.csv").mkdir(parents=True)
    for n in range(3):
        text = f"{clicks.HEADER}e{n},u{n},2024-01-02T03:04:05Z,/,,,1.2.3.4\n"
        (folder / f"part{n}.csv").write_text(text)
    (folder / "notes.txt").write_text("not data")
    folder.joinpath("deep.csv").rmdir()
    lake.run([folder, folder / "part1.csv", f"{folder}/part*.csv"], small_mmdb)
    assert sorted(row[0] for row in lake.read("events").rows) == ["e0", "e1", "e2"]


def test_pyiceberg_appends_to_ours_and_we_to_theirs(lake, small_mmdb, tmp_path):
    """One catalog, both writers."""
    from pyiceberg.catalog.sql import SqlCatalog

    text = clicks.HEADER + "e1,u1,2024-01-02T03:04:05Z,/,,,1.2.3.4\n"
    (tmp_path / "a.csv").write_text(text)
    lake.run([tmp_path / "a.csv"], small_mmdb)
    catalog = SqlCatalog("weir", uri=f"sqlite:///{lake.catalog}", warehouse=f"file://{lake.warehouse}")
    ours = catalog.load_table("web.events")
    ours.append(ours.scan().to_arrow())
    theirs = catalog.create_table("web.theirs", ours.schema(), partition_spec=ours.spec())
    theirs.append(ours.scan().to_arrow())
    assert len(lake.read("events").rows) == 2
    lake.run([tmp_path / "a.csv"], small_mmdb, "--mode", "append")
    lake.run([tmp_path / "a.csv"], small_mmdb, "--mode", "append", "--events", "theirs")
    for table in ("events", "theirs"):
        rows = lake.read(table).rows
        assert len(rows) == 3 and len(set(rows)) == 1
        assert catalog.load_table(f"web.{table}").scan().to_arrow().num_rows == 3
    lake.run([tmp_path / "a.csv"], small_mmdb, "--mode", "overwrite", "--events", "theirs")
    assert len(lake.read("theirs").rows) == 1
