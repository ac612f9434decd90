"""weir gen's truth over every shape of output, few rows, robots, days, Parquet (test_gen.py: against runs)."""

from __future__ import annotations

import datetime
import json
import pathlib
import subprocess
from collections import Counter

import pytest
from reference import pipeline_reference as reference
from tools import engine

KEEP = [
    {"name": "status", "type": "long"},
    {"name": "bytes", "type": "long"},
    {"name": "load_time", "type": "double"},
    {"name": "user_agent", "type": "string"},
]
LEDGER = ("rows_in", "rows_out", "rejected", "sessions", "users")
DAY_US = 86_400_000_000


def gen(out: pathlib.Path, mmdb: pathlib.Path, *args: str) -> dict:
    subprocess.run(
        [engine.BINARY, "gen", "--out", out, "--mmdb", mmdb, *args],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return json.loads((out / "truth.json").read_text())


def inputs(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("events*"))


def day_text(day: int) -> str:
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=day))


@pytest.mark.parametrize("dirt", ["none", "some", "much"])
@pytest.mark.parametrize(
    ("rows", "args"),
    [
        (1, []),
        (10, ["--days", "1"]),
        (999, ["--files", "3", "--days", "2"]),
        (20_000, ["--robots", "60", "--daily", "--days", "5"]),
        (20_000, ["--plain", "--seed", "18446744073709551615"]),
    ],
)
def test_truth_against_reference(tmp_path, small_mmdb, dirt, rows, args):
    truth = gen(tmp_path / "d", small_mmdb, "--rows", str(rows), "--dirt", dirt, *args)
    keep = [] if "--plain" in args else KEEP
    files = [(f.name, f.read_bytes()) for f in inputs(tmp_path / "d")]
    found = reference.run(files, {"input": {"keep": keep}}, str(small_mmdb))
    assert rows == truth["rows_in"] == found.rows_in
    for name in LEDGER:
        assert truth[name] == getattr(found, name), name
    if keep:
        assert {**truth["nulled"], "user_agent": 0} == {"user_agent": 0, **found.nulled}
    day, country = (reference.EVENT_COLUMNS.index(c) for c in ("event_time", "country"))
    days = Counter(day_text(row[day] // DAY_US) for row in found.events)
    assert truth["days"] == dict(days)
    assert truth["countries"] == dict(Counter(row[country] for row in found.events))


def test_truth_of_parquet(tmp_path, small_mmdb):
    """Read by DuckDB; the rules of the ledger as SQL."""
    truth = gen(
        tmp_path / "d",
        small_mmdb,
        *("--rows", "50000", "--dirt", "much", "--format", "parquet", "--files", "2"),
    )
    db = engine.duckdb_connection()
    null = "('', 'null', 'none', 'nan', 'n/a', '\\n', '-')"

    def clean(column: str) -> str:
        trimmed = rf"trim({column}, E' \t')"
        return f"case when lower({trimmed}) in {null} then null else {trimmed} end as {column}"

    found = db.execute(f"""
        with input as (
            select {clean("event_id")}, {clean("user_id")}, epoch_us(timestamp) as t
            from read_parquet('{tmp_path}/d/*.parquet')
        ), judged as (
            select *, case when event_id is null then 'missing_event_id'
                when user_id is null then 'missing_user_id' when t is null then 'missing_timestamp'
                when t < -2208988800000000 or t >= 9214646400000000 then 'bad_timestamp' else '' end as reason
            from input
        ), kept as (
            select distinct user_id, t, event_id from judged where reason = ''
        ), gaps as (
            select t - lag(t) over (partition by user_id order by t, event_id) as gap from kept
        )
        select (select count(*) from input), (select count(*) from kept),
               (select count(distinct user_id) from kept),
               (select count(*) from gaps where gap is null or gap > 1800000000),
               (select count(*) from judged where reason = '') - (select count(*) from kept),
               (select json_group_object(reason, n) from
                   (select reason, count(*) as n from judged where reason <> '' group by 1))
        """).fetchone()
    assert found[:4] == tuple(truth[k] for k in ("rows_in", "rows_out", "users", "sessions"))
    rejected = {**json.loads(found[5]), "duplicate_event": found[4], "malformed_row": 0}
    assert rejected == truth["rejected"]
