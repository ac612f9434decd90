"""`weir verify`: equal results are equal whoever wrote them, and every planted difference is found and shown."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType
from tools import clicks, engine

BAD = b"""e-bad,u1,2024-03-01 nonsense,/,,,1.2.3.4
,u1,2024-03-01T00:00:00Z,/,,,
e-nouser,,2024-03-01T00:00:00Z,/,,,
e-notime,u1,,/,,,
too,few
bytes \xff\xfe,u1,2024-03-01T00:00:00Z,/,,,,
e-old,u1,1965-03-01T00:00:00.000001Z,/\xc3\xa9"x",-,tv,::1
"""
Rows = list[dict[str, Any]]
Alter = Callable[[Rows], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_mmdb):
    """A lake with web.events and web.rejects, and the CSV file they come from."""
    folder = tmp_path_factory.mktemp("verify")
    source = clicks.write(folder / "clicks.csv", 600, duplicates=0.05)
    with open(source, "ab") as f:
        f.write(BAD)
    lake = engine.Lake(folder / "lake")
    lake.run([source], small_mmdb, "--run-id", "first")
    yield lake, source, small_mmdb
    shutil.rmtree(folder, ignore_errors=True)


def verify(lake: engine.Lake, *args: str | pathlib.Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON report, and what a person sees."""
    spec = importlib.util.find_spec("duckdb_cli")
    assert spec and spec.submodule_search_locations, "no wheel of duckdb-cli"
    packages = pathlib.Path(next(iter(spec.submodule_search_locations))).parent
    env = {"WEIR_DUCKDB": str(packages)}
    shown = engine.weir("verify", "--lake", lake.path, *args, env=env)
    done = engine.weir("verify", "--lake", lake.path, "--json", *args, env=env)
    assert done.code == shown.code, done.err + shown.err
    return done.code, json.loads(done.out) if done.out else {}, shown.out + shown.err


def catalog(lake: engine.Lake) -> SqlCatalog:
    return SqlCatalog("weir", uri=f"sqlite:///{lake.catalog}", warehouse=f"file://{lake.warehouse}")


def copy(
    lake: engine.Lake,
    name: str,
    events: Alter = lambda rows: None,
    rejects: Alter = lambda rows: None,
    properties: dict[str, str] | None = None,
) -> str:
    """web.* written anew by PyIceberg, altered, into a namespace of its own; the name of its events."""
    c = catalog(lake)
    c.create_namespace_if_not_exists(name)
    for table, alter in (("rejects", rejects), ("events", events)):
        source = c.load_table(f"web.{table}")
        arrow = source.scan().to_arrow()
        rows = arrow.to_pylist()
        alter(rows)
        if properties is None:
            said = dict(source.current_snapshot().summary.additional_properties)
            summary = {k: v for k, v in said.items() if k.startswith("weir.")}
            summary |= {"weir.events-table": f"{name}.events", "weir.rejects-table": f"{name}.rejects"}
        else:
            summary = properties
        made = c.create_table(f"{name}.{table}", schema=source.schema())
        made.append(pa.Table.from_pylist(rows, schema=arrow.schema), snapshot_properties=summary)
    return f"{name}.events"


def test_itself_and_the_digest(made):
    """Equal to itself; the digests are what the documentation says, computed here from PyIceberg's rows."""
    lake, *_ = made
    code, report, shown = verify(lake, "web.events", "events")
    assert code == 0 and report["equal"] and shown.endswith("equal\n")
    assert report["a"]["run_id"] == "first" and report["a"]["ledger"]["right"]
    assert report["rejects"]["compared"] and report["rejects"]["equal"]
    t = engine.read_table(lake.location("events"), "pyiceberg")

    def digest(rows) -> str:
        sums = [0, 0]
        for row in rows:
            md5 = hashlib.md5(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()).digest()
            sums[0] += int.from_bytes(md5[:8], "little")
            sums[1] += int.from_bytes(md5[8:], "little")
        return f"{sums[0]:x}:{sums[1]:x}"

    events = report["events"]
    assert events["rows_a"] == len(t.rows) > 500
    assert events["digest_a"] == digest(t.rows)
    assert [c["name"] for c in events["columns"]] == t.columns
    key = [t.columns.index(c) for c in ("user_id", "event_time", "event_id")]
    for i, column in enumerate(events["columns"]):
        assert column["digest_a"] == digest([*(row[k] for k in key), row[i]] for row in t.rows)


@pytest.mark.parametrize("quick", [(), ("--quick",)])
def test_other_threads_files_and_writers(made, tmp_path, quick):
    """What may differ: threads, memory, files of input and output, the writer."""
    lake, source, mmdb = made
    lines = source.read_bytes().splitlines(keepends=True)
    parts = []
    for n in range(3):
        parts.append(tmp_path / f"part{n}.csv")
        parts[-1].write_bytes(b"".join([lines[0], *lines[1 + n :: 3]]))
    name = "other" + "".join(quick).replace("-", "")
    lake.run(parts, mmdb, "--namespace", name, "--threads", "1", "--memory", "100m")
    assert verify(lake, *quick, "web.events", f"{name}.events")[0] == 0
    one = copy(lake, name + "1", lambda rows: rows.reverse(), lambda rows: rows.reverse())
    two = copy(lake, name + "2", lambda rows: rows.sort(key=lambda r: r["event_id"]))
    code, report, shown = verify(lake, *quick, one, two)
    assert code == 0 and report["rejects"]["equal"] and "DIFFERENT" not in shown
    assert bool(quick) == (report["events"]["columns"] == [])


def change(column: str, value: Any, at: int = 100) -> Alter:
    def alter(rows: Rows) -> None:
        old = rows[at][column]
        rows[at][column] = value(old) if callable(value) else value
        assert rows[at][column] != old

    return alter


def one_microsecond(old):
    return old.replace(microsecond=old.microsecond ^ 1)


def swap(rows: Rows) -> None:
    """Two rows change their pages: the columns hold the same values as before."""
    other = next(r for r in rows if r["page_url"] != rows[0]["page_url"])
    rows[0]["page_url"], other["page_url"] = other["page_url"], rows[0]["page_url"]


@pytest.mark.parametrize(
    ("alter", "columns", "only_in_a", "only_in_b"),
    [
        (change("page_url", "/elsewhere"), ["page_url"], 1, 1),
        (change("session_id", lambda s: s[:-1] + chr(ord(s[-1]) ^ 1)), ["session_id"], 1, 1),
        (change("event_time", one_microsecond), ["event_time"], 1, 1),
        (change("session_start", one_microsecond), ["session_start"], 1, 1),
        (change("event_seq", lambda n: n + 1), ["event_seq"], 1, 1),
        (change("event_id", "E"), ["event_id"], 1, 1),
        (change("ip_address", None), ["ip_address"], 1, 1),
        (swap, ["page_url"], 2, 2),
        (lambda rows: rows.pop(7), None, 1, 0),
        (lambda rows: rows.append(dict(rows[7])), None, 0, 1),
        (lambda rows: rows.extend([dict(rows[7])] * 3), None, 0, 3),
        (lambda rows: [r.update(country="XX") for r in rows], ["country"], 999, 999),
    ],
    ids=[
        "page",
        "session",
        "microsecond",
        "start",
        "seq",
        "id",
        "null",
        "swap",
        "lost",
        "doubled",
        "four",
        "all",
    ],
)
def test_planted_in_events(made, request, alter, columns, only_in_a, only_in_b):
    lake, *_ = made
    original, altered = [], []

    def remember(rows: Rows) -> None:
        original.extend(map(dict, rows))
        alter(rows)
        altered.extend(rows)

    name = "p_" + request.node.callspec.id.replace("-", "_")
    code, report, shown = verify(lake, "web.events", copy(lake, name, remember))
    quick = verify(lake, "--quick", "web.events", f"{name}.events")
    assert (quick[0], quick[1]["events"], quick[2]) == (code, report["events"], shown)
    if only_in_a > 100:
        only_in_a = only_in_b = len(original)
    assert code == 1 and not report["equal"] and "events   DIFFERENT" in shown
    events = report["events"]
    assert report["rejects"]["equal"]
    assert (events["rows_only_in_a"], events["rows_only_in_b"]) == (only_in_a, only_in_b)
    if columns is not None:
        assert events["columns_that_differ"] == columns
        assert f"columns that differ: {', '.join(columns)}\n" in shown

    def spelled(row: dict) -> dict:
        return {k: f"{v:%Y-%m-%dT%H:%M:%S.%fZ}" if hasattr(v, "year") else v for k, v in row.items()}

    # What is shown of a side is there as much more often than on the other.
    original, altered = list(map(spelled, original)), list(map(spelled, altered))
    for side, mine, theirs in (("a", original, altered), ("b", altered, original)):
        shown_rows = events[f"first_only_in_{side}"]
        expected = min(10, only_in_a if side == "a" else only_in_b)
        assert sum(f["times"] for f in shown_rows) == expected
        for found in shown_rows:
            assert mine.count(found["row"]) - theirs.count(found["row"]) == found["times"]
            assert json.dumps(found["row"]["event_id"]) in shown
    # A lost or doubled row also contradicts the ledger, which was copied as it was.
    assert report["b"]["ledger"]["right"] == (only_in_a == only_in_b)
    assert report["a"]["ledger"]["right"]


def row_of(reason: str, alter: Callable[[dict], Any]) -> Alter:
    return lambda rows: alter(next(r for r in rows if r["reason"] == reason))


@pytest.mark.parametrize(
    ("alter", "columns"),
    [
        (row_of("bad_timestamp", lambda r: r.update(reason="missing_timestamp")), ["reason"]),
        (row_of("bad_timestamp", lambda r: r.update(timestamp="x")), ["timestamp"]),
        (row_of("missing_user_id", lambda r: r.update(device="x")), ["device"]),
        (row_of("malformed_row", lambda r: r.update(raw=r["raw"] + " ")), ["raw"]),
        (lambda rows: rows.pop(), None),
        (lambda rows: rows.append(dict(rows[-1])), None),
    ],
    ids=["reason", "timestamp", "device", "raw", "lost", "doubled"],
)
def test_planted_in_rejects(made, request, alter, columns):
    lake, *_ = made
    name = "r_" + request.node.callspec.id
    code, report, shown = verify(lake, "web.events", copy(lake, name, rejects=alter))
    assert code == 1 and report["events"]["equal"] and "rejects  DIFFERENT" in shown
    rejects = report["rejects"]
    if columns is not None:
        assert rejects["columns_that_differ"] == columns
        assert rejects["rows_only_in_a"] == rejects["rows_only_in_b"] == 1
    if columns == ["reason"]:
        assert 'reason="missing_timestamp"' in shown and 'reason="bad_timestamp"' in shown
        assert "rejects, bad_timestamp: the ledger says 1, the table holds 0" in shown
    right = columns is not None and columns != ["reason"]
    assert report["b"]["ledger"]["right"] == right


def test_rejects_may_differ_in(made):
    """How many U+FFFD replace a run of bad bytes, and the source file."""
    lake, *_ = made

    def alter(rows: Rows) -> None:
        for r in rows:
            r["source_file"] = "elsewhere.csv"
            if r["raw"]:
                r["raw"] = r["raw"].replace("\ufffd", "\ufffd\ufffd")
        assert any("\ufffd\ufffd" in (r["raw"] or "") for r in rows)

    code, report, shown = verify(lake, "web.events", copy(lake, "ffd", rejects=alter))
    assert code == 0, shown


def test_ledger_that_lies(made):
    lake, *_ = made
    summary = catalog(lake).load_table("web.events").current_snapshot().summary.additional_properties
    said = {k: v for k, v in summary.items() if k.startswith("weir.")} | {"weir.rejects-table": "lie.rejects"}
    said["weir.rows-in"] = str(int(said["weir.rows-in"]) + 1)
    code, report, shown = verify(lake, "web.events", copy(lake, "lie", properties=said))
    assert code == 1 and report["events"]["equal"] and report["rejects"]["equal"]
    assert not report["b"]["ledger"]["right"] and "ledger B WRONG" in shown and "ledger A right" in shown


def test_no_ledger(made):
    """Snapshots that carry no weir.* are compared as far as it goes, and said to be uncheckable."""
    lake, *_ = made
    bare = copy(lake, "bare", properties={})
    code, report, shown = verify(lake, "web.events", bare)
    assert code == 0 and report["events"]["equal"] and not report["rejects"]["compared"]
    assert report["b"]["ledger"]["uncheckable"] and "ledger B cannot be checked" in shown
    assert shown.endswith("equal, as far as compared\n")
    code, report, shown = verify(lake, "web.events", bare, "--rejects", "web.rejects", "bare.rejects")
    assert code == 0 and report["rejects"]["equal"]
    altered = copy(lake, "bare2", rejects=row_of("malformed_row", lambda r: r.update(raw="")), properties={})
    code, report, shown = verify(lake, "--rejects", "bare.rejects", "bare2.rejects", bare, altered)
    assert code == 1 and report["events"]["equal"] and not report["rejects"]["equal"]


def test_extra_column(made):
    """A column that only one has is a difference; one that both have is compared."""
    lake, *_ = made
    both = [copy(lake, f"extra{n}") for n in range(2)]
    for name, values in zip(both, ("one", "two"), strict=True):
        with catalog(lake).load_table(name).update_schema() as update:
            update.add_column("campaign", StringType())
        code, report, shown = verify(lake, "web.events", name)
        assert code == 1 and report["events"]["columns_only_in_b"] == ["campaign"]
        assert report["events"]["digest_a"] == report["events"]["digest_b"]
        assert "columns in B only: campaign" in shown
        table = catalog(lake).load_table(name)
        rows = [dict(r, campaign=values) for r in table.scan().to_arrow().to_pylist()[:1]]
        table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    code, report, shown = verify(lake, *both)
    assert code == 1 and report["events"]["columns_that_differ"] == ["campaign"]
    assert report["events"]["rows_only_in_a"] == 1


def test_runs_of_one_table(tmp_path, small_mmdb):
    """@RUN-ID and older metadata files: each run's own rejects, not the current ones; appended ledgers add up."""
    lake = engine.Lake(tmp_path / "lake")
    source = clicks.write(tmp_path / "a.csv", 300)
    with open(source, "ab") as f:
        f.write(BAD)
    other = clicks.write(tmp_path / "b.csv", 200, seed=2)
    lake.run([source], small_mmdb, "--run-id", "one")
    first = engine.local_path(lake.location("events"))
    lake.run([other], small_mmdb, "--run-id", "two")
    lake.run([source], small_mmdb, "--run-id", "three")
    assert verify(lake, "events@one", "web.events@three")[0] == 0
    code, report, shown = verify(lake, "events", first)
    assert code == 0 and report["b"]["run_id"] == "one" and report["rejects"]["compared"]
    code, report, _ = verify(lake, "events@two", "events")
    assert code == 1 and report["a"]["ledger"]["right"] and report["b"]["ledger"]["right"]
    lake.run([other], small_mmdb, "--run-id", "four", "--mode", "append")
    code, report, _ = verify(lake, "events", "events@three")
    assert code == 1 and report["events"]["rows_only_in_b"] == 0 and report["events"]["rows_only_in_a"] > 0
    assert report["a"]["ledger"] == {
        "right": True,
        "problems": [],
        "uncheckable": [],
        "runs": 2,
        "rows_in": 507,
        "rows_out": report["events"]["rows_a"],
    }
    code, _, shown = verify(lake, "events@five", "events")
    assert code == 3 and "no snapshot of run five" in shown
    # Metadata files of another lake: the rejects are found beside the events.
    catalog_file = lake.catalog.read_bytes()
    lake.catalog.unlink()
    code, report, shown = verify(lake, first, first)
    assert code == 0 and report["rejects"]["compared"], shown
    for path in (lake.warehouse / "web" / "rejects" / "metadata").glob("*.metadata.json"):
        path.unlink()
    code, _, shown = verify(lake, first, first)
    assert code == 3 and "could not find web.rejects" in shown and "--rejects A B" in shown
    lake.catalog.write_bytes(catalog_file)


def test_wrong_questions(made, tmp_path):
    lake, *_ = made
    for args, code, message in (
        (["events"], 2, "which two tables"),
        (["events", "events", "--rejects", "events"], 2, "--rejects needs two tables"),
        (["events", "nothing"], 3, "no table web.nothing"),
        (["events", "no.where.events"], 3, "no table no.where.events"),
        (["events", "web.rejects"], 3, "table of rejects"),
        (["events", tmp_path / "x.metadata.json"], 3, "x.metadata.json"),
        (["events", "events", "--rejects", "web.rejects", "web.nothing"], 3, "no table web.nothing"),
        (["events", "events", "--rejects", "web.events", "web.events"], 3, "no rejects"),
    ):
        got, _, shown = verify(lake, *args)
        assert got == code and message in shown, (args, shown)
    broken = tmp_path / "broken.metadata.json"
    broken.write_text("{}")
    got, _, shown = verify(lake, "events", broken)
    assert got == 3 and "no Iceberg table metadata" in shown
    for text in (b"{", b"\x1f\x8b\x08broken"):
        broken.write_bytes(text)
        assert verify(lake, "events", broken)[0] == 3


def test_data_that_is_gone(made):
    """A data file that cannot be read is no difference: exit 3, with what DuckDB says."""
    lake, *_ = made
    name = copy(lake, "gone")
    for path in (lake.warehouse / "gone" / "events" / "data").rglob("*.parquet"):
        path.unlink()
    code, _, shown = verify(lake, "web.events", name)
    assert code == 3 and "weir: DuckDB:" in shown
