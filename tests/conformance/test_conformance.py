"""pipeline.md, clause by clause: each test carries the number of the clause it shows.

`test_clause[<id>]` runs `weir run` on the small inputs of cases/, reads both tables back with an independent
reader and compares every column of every row, the ledger and the snapshot summaries. `test_reference[<id>]`
holds the slow reference to the same expectations. What the kit (test_kit.py) cannot show of 4.x and 5.2 is below,
under ids of the same form. tools/engine.py lists the environment variables.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import sqlite3
from collections.abc import Callable

import pyarrow.parquet
import pytest
from reference import pipeline_reference as reference
from tools import engine, mmdb_writer

from conformance import cases, make_parquet

BY_ID = {c.id: c for c in cases.CASES if not c.kit_only}


@pytest.fixture(scope="session")
def databases(tmp_path_factory) -> Callable[..., pathlib.Path]:
    """An MMDB file of the kit by name, or one made of other networks."""
    folder = tmp_path_factory.mktemp("mmdb")

    def get(wanted: str | list = "default") -> pathlib.Path:
        named = isinstance(wanted, str)
        path = folder / f"{wanted if named else abs(hash(repr(wanted)))}.mmdb"
        if not path.exists():
            path.write_bytes(cases.DATABASES[wanted].data if named else mmdb_writer.build(wanted))
        return path

    return get


@pytest.mark.parametrize("name", cases.DATABASES)
def test_database_is_what_it_says(name):
    """The file that the kit ships was made from the networks that stand beside it."""
    d = cases.DATABASES[name]
    assert mmdb_writer.build(d.networks, **d.options) == d.data


def test_parquet_cases_are_what_their_maker_makes():
    assert make_parquet.text() == make_parquet.OUT.read_text()


def test_ids_say_their_clause():
    ids = [c.id for c in cases.CASES]
    assert len(set(ids)) == len(ids)
    for clause in cases.CLAUSES:
        lines = cases.read_lines(cases.FOLDER / f"{clause}.jsonl")
        assert lines[0]["clause"] == clause and len(lines) > 1
        assert all(t["id"].startswith(clause + "-") for t in lines[1:])


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def written(folder: pathlib.Path, files: dict[str, bytes]) -> list[pathlib.Path]:
    inputs = folder / "in"
    inputs.mkdir(exist_ok=True)
    for name, data in files.items():
        (inputs / name).write_bytes(data)
    return [inputs / name for name in files]


def write_pipeline(folder: pathlib.Path, tree: dict | None) -> pathlib.Path | None:
    """As JSON, which is YAML."""
    if tree is None:
        return None
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(tree, ensure_ascii=False))
    return path


def expectation(case: cases.Case) -> reference.Result:
    ledger = case.ledger
    nulled = ledger.get("nulled", {})
    counts = (ledger["rows_in"], case.rejected, nulled, ledger["sessions"], ledger["users"])
    assert ledger["rows_out"] == len(case.events)
    return reference.Result(case.events, case.rejects, *counts)


# The reference trusts its database; that one without countries is refused is for the stacks to show.
@pytest.mark.parametrize("id", [i for i, c in BY_ID.items() if c.database != "no-countries"])
def test_reference(id, databases):
    case = BY_ID[id]
    mmdb = databases(case.database)
    if case.error is not None:
        with pytest.raises(reference.BadInput, match=case.error):
            reference.run(list(case.files.items()), case.pipeline, str(mmdb))
        return
    got = reference.run(list(case.files.items()), case.pipeline, str(mmdb))
    want = expectation(case)
    out = engine.differences("events", engine.bag(want.events), engine.bag(got.events))
    out += engine.differences(
        "rejects", engine.bag_of_rejects(want.rejects), engine.bag_of_rejects(got.rejects)
    )
    assert not out, "\n".join(out)
    for name in ("rows_in", "rejected", "nulled", "sessions", "users"):
        assert getattr(got, name) == getattr(want, name), name


def run_case(case: cases.Case, folder: pathlib.Path, databases) -> None:
    lake = engine.Lake(folder / "lake")
    done = lake.run(
        written(folder, case.files),
        databases(case.database),
        pipeline=write_pipeline(folder, case.pipeline),
        ok=False,
    )
    if case.error is not None:
        assert done.code == 3, f"exit {done.code}: {done.err}"
        assert case.error in done.err
        assert done.err.count("\n") <= (2 if engine.STACK else 1), done.err  # weir adds a line to a stack's
        assert lake.state() == {"events": None, "rejects": None}
        return
    assert done.code == 0, f"exit {done.code}: {done.err}"
    keep = [k["name"] for k in (case.pipeline or {}).get("input", {}).get("keep", [])]
    out = engine.compare(lake, expectation(case), done, keep)
    assert not out, "\n".join(out)


# ---- what single rows cannot show -----------------------------------------------------------------------

Special = Callable[[pathlib.Path, Callable[..., pathlib.Path]], None]
SPECIAL: dict[str, Special] = {}


def clause(id: str) -> Callable[[Special], Special]:
    def add(f: Special) -> Special:
        assert id not in SPECIAL and id not in BY_ID
        SPECIAL[id] = f
        return f

    return add


class Setup:
    """A lake and two small inputs."""

    def __init__(self, folder: pathlib.Path, databases) -> None:
        self.folder = folder
        self.mmdb = databases()
        self.lake = engine.Lake(folder / "lake")
        row, csv = cases.row, cases.csv
        files = {
            "a.csv": csv(row(), row(user_id="u2"), b"bad"),
            "b.csv": csv(row(event_id="e2"), row(user_id="")),
            "none.csv": csv(),
        }
        self.a, self.b, self.none = written(folder, files)

    def run(self, *inputs: pathlib.Path, args: tuple = (), ok: bool = True, **rest) -> engine.Outcome:
        return self.lake.run(inputs, self.mmdb, *args, ok=ok, **rest)

    def ids(self, table: str = "events") -> list:
        """(user_id, event_id) of events, (reason, source_file) of rejects."""
        t = self.lake.read(table)
        picked = ("user_id", "event_id") if table == "events" else ("reason", "source_file")
        at = [t.columns.index(c) for c in picked]
        return sorted(tuple(row[i] for i in at) for row in t.rows)

    def snapshots(self, table: str) -> list[dict]:
        metadata = self.lake.metadata(table)
        return metadata["snapshots"] if metadata else []

    def runs(self, table: str) -> list[str]:
        return [s["summary"].get("weir.run-id") for s in self.snapshots(table)]

    def sql(self, text: str) -> list:
        with sqlite3.connect(self.lake.catalog) as db:
            return db.execute(text).fetchall()

    def data_files(self, table: str) -> list[pathlib.Path]:
        """What the current snapshot names, by PyIceberg."""
        from pyiceberg.table import StaticTable

        location = self.lake.location(table)
        tasks = StaticTable.from_metadata(location).scan().plan_files()
        return [pathlib.Path(engine.local_path(t.file.file_path)) for t in tasks]


EVENTS_A = [("u1", "e1"), ("u2", "e1")]
EVENTS_B = [("u1", "e2")]
REJECTS_A = [("malformed_row", "a.csv")]
REJECTS_B = [("missing_user_id", "b.csv")]


def fields(metadata: dict) -> list[tuple]:
    schema_id = metadata["current-schema-id"]
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == schema_id)
    return [(f["id"], f["name"], f["type"], f["required"]) for f in schema["fields"]]


@clause("2.8-no-database-found")
def no_database(folder, databases):
    s = Setup(folder, databases)
    missing = folder / "no.mmdb"
    done = s.lake.run([s.a], missing, ok=False)
    assert done.code == 3
    assert "no.mmdb" in done.err
    assert s.lake.state() == {"events": None, "rejects": None}


@clause("4.1-events-schema")
def events_schema(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    metadata = s.lake.metadata("events")
    assert metadata["format-version"] == 2
    assert fields(metadata) == [
        (1, "event_id", "string", True),
        (2, "user_id", "string", True),
        (3, "session_id", "string", True),
        (4, "event_seq", "int", True),
        (5, "event_time", "timestamptz", True),
        (6, "session_start", "timestamptz", True),
        (7, "page_url", "string", False),
        (8, "referrer", "string", False),
        (9, "device", "string", True),
        (10, "ip_address", "string", False),
        (11, "country", "string", True),
    ]


@clause("4.1-keep-columns-from-12")
def keep_schema(folder, databases):
    case = BY_ID["1.6-several-in-order"]
    s = Setup(folder, databases)
    pipeline = write_pipeline(folder, case.pipeline)
    s.run(*written(folder, case.files), pipeline=pipeline)
    assert fields(s.lake.metadata("events"))[11:] == [
        (12, "a", "double", False),
        (13, "b", "string", False),
        (14, "c", "long", False),
    ]


@clause("4.1-partitioned-by-day")
def partitioned(folder, databases):
    s = Setup(folder, databases)
    days = ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2024-01-02T03:04:05Z")
    data = cases.csv(*(cases.row(timestamp=t) for t in days), cases.row(event_id="e2"))
    s.run(*written(folder, {"days.csv": data}))
    metadata = s.lake.metadata("events")
    spec = next(p for p in metadata["partition-specs"] if p["spec-id"] == metadata["default-spec-id"])
    assert [(f["source-id"], f["transform"]) for f in spec["fields"]] == [(5, "day")]
    from pyiceberg.table import StaticTable

    tasks = StaticTable.from_metadata(s.lake.location("events")).scan().plan_files()
    found = {t.file.partition[0]: t.file.record_count for t in tasks}
    assert found == {-1: 1, 0: 1, 19724: 2}
    for t in tasks:
        times = pyarrow.parquet.read_table(engine.local_path(t.file.file_path))["event_time"]
        assert {v // 86_400_000_000 for v in times.cast("int64").to_pylist()} == {t.file.partition[0]}


@clause("4.2-rejects-schema")
def rejects_schema(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    metadata = s.lake.metadata("rejects")
    assert metadata["format-version"] == 2
    got = [(name, kind, required) for _, name, kind, required in fields(metadata)]
    names = reference.REJECT_COLUMNS
    assert got == [(name, "string", name == "reason") for name in names]
    spec = next(p for p in metadata["partition-specs"] if p["spec-id"] == metadata["default-spec-id"])
    assert spec["fields"] == []


@clause("4.3-parquet-zstd")
def parquet_zstd(folder, databases):
    s = Setup(folder, databases)
    lines = [cases.row(event_id=f"e{n}", page_url=f"/{n}" * 20) for n in range(40_000)]
    small = ("--memory", "20MB", "--threads", "2")  # so that there are several row groups
    s.run(*written(folder, {"many.csv": cases.csv(*lines, b"x")}), args=small)
    for table in ("events", "rejects"):
        files = s.data_files(table)
        assert len(files) == 1  # few files a day
        footer = pyarrow.parquet.ParquetFile(files[0]).metadata
        groups = [footer.row_group(g) for g in range(footer.num_row_groups)]
        chunks = [g.column(c) for g in groups for c in range(g.num_columns)]
        assert {c.compression for c in chunks} == {"ZSTD"}


@clause("4.3-field-ids-and-statistics")
def field_ids(folder, databases):
    """What readers need to find columns by id and to prune by time."""
    s = Setup(folder, databases)
    s.run(s.a)
    parquet = pyarrow.parquet.ParquetFile(s.data_files("events")[0])
    ids = [int(f.metadata[b"PARQUET:field_id"]) for f in parquet.schema_arrow]
    assert ids == list(range(1, 12))
    statistics = parquet.metadata.row_group(0).column(4).statistics
    assert statistics.min == statistics.max


@clause("4.4-overwrite-replaces")
def overwrite(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    first = s.lake.state()
    s.run(s.b, args=("--mode", "overwrite"))
    assert s.ids() == EVENTS_B
    assert s.ids("rejects") == REJECTS_B
    for table in ("events", "rejects"):
        assert [x["summary"]["operation"] for x in s.snapshots(table)][1:] == ["overwrite"]
    before = {t: engine.read_table(location) for t, location in first.items()}
    assert len(before["events"].rows) == 2  # the older snapshot stays readable
    assert len(before["rejects"].rows) == 1


@clause("4.4-overwrite-is-the-default")
def overwrite_default(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b)
    assert s.ids() == EVENTS_B
    assert s.ids("rejects") == REJECTS_B
    assert len(s.snapshots("events")) == len(s.snapshots("rejects")) == 2


@clause("4.4-overwrite-older-snapshot-by-time-travel")
def time_travel(folder, databases):
    from pyiceberg.table import StaticTable

    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b)
    old, new = s.snapshots("events")
    assert new["parent-snapshot-id"] == old["snapshot-id"]
    table = StaticTable.from_metadata(s.lake.location("events"))
    assert table.scan(snapshot_id=old["snapshot-id"]).to_arrow().num_rows == 2
    assert table.scan(snapshot_id=new["snapshot-id"]).to_arrow().num_rows == 1


@clause("4.4-append-adds")
def append(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b, args=("--mode", "append"))
    assert s.ids() == sorted(EVENTS_A + EVENTS_B)
    assert s.ids("rejects") == sorted(REJECTS_A + REJECTS_B)
    for table in ("events", "rejects"):
        assert [x["summary"]["operation"] for x in s.snapshots(table)][1:] == ["append"]


@clause("4.4-append-to-nothing")
def append_first(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a, args=("--mode", "append"))
    assert s.ids() == EVENTS_A
    assert s.ids("rejects") == REJECTS_A


@clause("4.4-append-sessions-within-the-run")
def append_sessions(folder, databases):
    """e2 stands at the moment of e1: had it seen the first run's rows it would be its second event."""
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b, s.a, args=("--mode", "append"))
    events = s.lake.read("events")
    seq = events.columns.index("event_seq")
    got = sorted((row[1], row[0], row[seq]) for row in events.rows)
    assert got == [
        ("u1", "e1", 1),
        ("u1", "e1", 1),
        ("u1", "e2", 2),
        ("u2", "e1", 1),
        ("u2", "e1", 1),
    ]


@clause("4.4-empty-runs-write-snapshots")
def empty(folder, databases):
    s = Setup(folder, databases)
    for n, mode in enumerate(("overwrite", "append", "overwrite"), 1):
        s.run(s.none, args=("--mode", mode))
        for table in ("events", "rejects"):
            assert len(s.snapshots(table)) == n
            assert s.lake.read(table).rows == []


@clause("4.4-empty-overwrite-empties")
def empty_overwrite(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.none)
    assert s.ids() == []
    assert s.ids("rejects") == []


@clause("4.4-both-readers-agree")
def both_readers(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b, args=("--mode", "append"))
    for table in ("events", "rejects"):
        location = s.lake.location(table)
        one, other = (engine.read_table(location, r) for r in ("duckdb", "pyiceberg"))
        assert one.columns == other.columns
        assert engine.bag(one.rows) == engine.bag(other.rows)


def log_commits(s: Setup) -> None:
    """Have the catalog itself write down in which order tables change."""
    s.sql("create table commit_log (name text)")
    for what in ("insert", "update"):
        s.sql(
            f"create trigger log_{what} after {what} on iceberg_tables"
            " begin insert into commit_log values (new.table_name); end"
        )


@clause("4.5-rejects-then-events")
def commit_order(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    log_commits(s)
    s.run(s.b)
    assert s.sql("select name from commit_log") == [("rejects",), ("events",)]


def forbid(s: Setup, table: str) -> None:
    """Have the catalog refuse every commit to one table."""
    for what in ("insert", "update"):
        s.sql(
            f"create trigger no_{what} before {what} on iceberg_tables when new.table_name = '{table}'"
            " begin select raise(abort, 'not now'); end"
        )


def permit(s: Setup) -> None:
    s.sql("drop trigger no_insert")
    s.sql("drop trigger no_update")


@clause("4.5-events-refused-then-repeated")
def events_refused(folder, databases):
    """Rejects without events belong to no run; the repeat (4.6) skips rejects and commits events."""
    s = Setup(folder, databases)
    s.run(s.a, args=("--run-id", "one"))
    before = s.lake.location("events")
    forbid(s, "events")
    done = s.run(s.b, args=("--run-id", "two"), ok=False)
    assert done.code == 4
    assert "events" in done.err
    assert s.lake.location("events") == before
    assert s.runs("events") == ["one"]
    assert s.runs("rejects") in (
        ["one"],
        ["one", "two"],
    )  # not there where both share a transaction
    permit(s)
    s.run(s.b, args=("--run-id", "two"))
    assert s.runs("events") == s.runs("rejects") == ["one", "two"]
    assert s.ids() == EVENTS_B
    assert s.ids("rejects") == REJECTS_B


@clause("4.6-repeat-changes-nothing")
def repeat(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a, args=("--run-id", "one"))
    before = s.lake.state(), sorted(s.lake.warehouse.rglob("*"))
    for mode in ("overwrite", "append"):
        done = s.run(s.b, args=("--run-id", "one", "--mode", mode))
        assert (s.lake.state(), sorted(s.lake.warehouse.rglob("*"))) == before
        assert "one" in done.err + done.out  # says so
    assert s.ids() == EVENTS_A


@clause("4.6-repeat-of-an-older-run")
def repeat_older(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a, args=("--run-id", "one"))
    s.run(s.b, args=("--run-id", "two"))
    before = s.lake.state()
    s.run(s.a, args=("--run-id", "one"))
    assert s.lake.state() == before


@clause("4.6-repeat-commits-the-missing-table")
def repeat_other(folder, databases):
    """Events rolled back to before the run, as after a crash between the two commits."""
    s = Setup(folder, databases)
    s.run(s.a, args=("--run-id", "one"))
    old = s.lake.location("events")
    s.run(s.b, args=("--run-id", "two"))
    s.sql(f"update iceberg_tables set metadata_location = '{old}' where table_name = 'events'")
    rejects = s.lake.location("rejects")
    s.run(s.b, args=("--run-id", "two"))
    assert s.lake.location("rejects") == rejects
    assert s.runs("events") == ["one", "two"]
    assert s.ids() == EVENTS_B


@clause("4.6-ids-differ-by-default")
def default_ids(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.a)
    runs = s.runs("events")
    assert len(set(runs)) == 2 and all(runs)
    assert s.runs("rejects") == runs


@clause("4.7-refused-commit-leaves-both-tables")
def refused_commit(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    before = s.lake.state(), s.ids(), s.ids("rejects")
    forbid(s, "rejects")
    done = s.run(s.b, ok=False)
    assert done.code == 4
    assert (s.lake.state(), s.ids(), s.ids("rejects")) == before
    permit(s)
    s.run(s.b)
    assert s.ids() == EVENTS_B


@clause("4.7-clean-removes-what-no-snapshot-names")
def clean(folder, databases):
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b)
    named = sorted(s.lake.warehouse.rglob("*"))
    near = s.data_files("events")[0]
    orphans = [near.with_name("orphan.parquet"), near.parents[1] / "orphan.parquet"]
    orphans.append(pathlib.Path(engine.local_path(s.lake.location("events"))).with_name("snap-0.avro"))
    for path in orphans:
        path.write_bytes(b"left over")
    kept = engine.weir("table", "clean", "--lake", s.lake.path)
    assert kept.code == 0 and all(p.exists() for p in orphans)  # younger than 24h
    dry = engine.weir("table", "clean", "--older-than", "0s", "--dry-run", "--lake", s.lake.path)
    assert dry.code == 0 and all(p.exists() for p in orphans)
    assert all(p.name in dry.out for p in orphans)  # reported
    done = engine.weir("table", "clean", "--older-than", "0s", "--lake", s.lake.path)
    assert done.code == 0, done.err
    assert sorted(s.lake.warehouse.rglob("*")) == named
    assert s.ids() == EVENTS_B


@clause("5.2-summaries")
def summaries(folder, databases):
    s = Setup(folder, databases)
    case = BY_ID["1.6-several-in-order"]
    pipeline = write_pipeline(folder, case.pipeline)
    data = case.files["input.csv"] + b"bad\n"
    s.run(*written(folder, {"k.csv": data}), args=("--run-id", "r-1"), pipeline=pipeline)
    for table in ("events", "rejects"):
        summary = s.lake.read(table).summary
        ours = {k: v for k, v in summary.items() if k.startswith("weir.")}
        assert ours == {
            "weir.run-id": "r-1",
            "weir.stack": engine.STACK or "native",
            "weir.rows-in": "3",
            "weir.rows-out": "2",
            "weir.rejected.malformed_row": "1",
            "weir.rejected.missing_event_id": "0",
            "weir.rejected.missing_user_id": "0",
            "weir.rejected.missing_timestamp": "0",
            "weir.rejected.bad_timestamp": "0",
            "weir.rejected.duplicate_event": "0",
            "weir.nulled.a": "1",
            "weir.nulled.b": "0",
            "weir.nulled.c": "1",
            "weir.events-table": "web.events",
            "weir.rejects-table": "web.rejects",
        }


@clause("5.2-names-as-configured")
def names(folder, databases):
    s = Setup(folder, databases)
    args = ("--namespace", "shop", "--events", "clicks", "--rejects", "bin")
    s.run(s.a, args=args)
    for table in ("clicks", "bin"):
        location = s.lake.location(table, "shop")
        assert location is not None
        summary = engine.read_table(location).summary
        assert summary["weir.events-table"] == "shop.clicks"
        assert summary["weir.rejects-table"] == "shop.bin"


@clause("5.2-totals")
def totals(folder, databases):
    """Iceberg's own counts agree with the ledger."""
    s = Setup(folder, databases)
    s.run(s.a)
    s.run(s.b, args=("--mode", "append"))
    events, rejects = (s.lake.read(t).summary for t in ("events", "rejects"))
    assert (events["added-records"], events["total-records"]) == ("1", "3")
    assert (rejects["added-records"], rejects["total-records"]) == ("1", "2")


# Last, as it lists all of the above.
@pytest.mark.parametrize("id", [*BY_ID, *SPECIAL])
def test_clause(id, folder, databases):
    if id in BY_ID:
        run_case(BY_ID[id], folder, databases)
    else:
        SPECIAL[id](folder, databases)
