"""`weir table`: what it says is what PyIceberg says; `clean` removes left-overs, and only those (4.7)."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import time

import pytest
from pyiceberg.expressions import EqualTo
from tools import engine, iceberg, leftovers
from tools.iceberg import FIRST_DAY, Lake, expected


@pytest.fixture
def lake(tmp_path: pathlib.Path) -> Lake:
    made = Lake(tmp_path / "lake")
    made.write("overwrite", "one")
    return made


def clean(lake: Lake, *args: str) -> dict:
    done = lake.weir("clean", "--json", *args)
    assert done.code == 0, done.err
    return done.ledger


def removed(lake: Lake, *args: str) -> set[str]:
    return {f["path"] for f in clean(lake, "--older-than", "0s", *args)["files"]}


def plant(path: pathlib.Path, text: str = "orphan") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_list_show_history_files(lake: Lake) -> None:
    lake.write("append", "two", days=3)
    lake.write("overwrite", "three", table="u")
    t = lake.table()
    tables = {x["table"]: x for x in lake.weir("list", "--json").ledger["tables"]}
    assert set(tables) == {"web.t", "web.u"}
    assert tables["web.t"]["rows"] == 50 and tables["web.t"]["files"] == 5
    assert tables["web.t"]["metadata_location"] == t.metadata_location
    assert tables["web.t"]["bytes"] == sum(f["file_size_in_bytes"] for f in t.inspect.files().to_pylist())
    show = lake.weir("show", "web.t", "--json").ledger
    assert [(c["id"], c["name"], c["required"]) for c in show["columns"]] == [
        (f.field_id, f.name, f.required) for f in t.schema().fields
    ]
    assert show["partitioning"] == ["day(ts)"] and show["properties"] == dict(t.properties)
    history = lake.weir("history", "web.t", "--json").ledger["snapshots"]
    assert [h["snapshot_id"] for h in history] == [s.snapshot_id for s in t.metadata.snapshots]
    assert [h["run_id"] for h in history] == ["one", "two"]
    assert [h["added_rows"] for h in history] == [20, 30] and [h["current"] for h in history] == [False, True]
    files = lake.weir("files", "web.t", "--json").ledger["files"]
    assert sorted((f["path"], f["rows"], f["partition"]["ts_day"]) for f in files) == sorted(
        (f["file_path"], f["record_count"], str(f["partition"]["ts_day"]))
        for f in t.inspect.files().to_pylist()
    )
    for verb in ("list", "show", "history", "files"):
        done = lake.weir(verb)
        assert done.code == 0 and "web.t" in done.out and "web.u" in done.out
    missing = lake.weir("show", "web.nothing")
    assert missing.code == 3 and "no table web.nothing" in missing.err
    assert lake.weir("frobnicate").code == 2
    assert lake.weir("clean", "--older-than", "soon").code == 2


def test_nothing_there(tmp_path: pathlib.Path) -> None:
    done = engine.weir("table", "list", "--lake", tmp_path / "none")
    assert done.code == 3 and "none/catalog.db" in done.err
    assert not (tmp_path / "none").exists()


def test_list_goes_on(lake: Lake) -> None:
    """One table that cannot be read does not hide the others."""
    lake.write("overwrite", "two", table="u")
    path = pathlib.Path(engine.local_path(lake.location("t")))
    path.unlink()
    done = lake.weir("list", "--json")
    assert done.code == 3 and path.name in done.err
    tables = json.loads(done.out)["tables"]
    assert [t["table"] for t in tables] == ["web.t", "web.u"]
    assert path.name in tables[0]["error"] and tables[1]["rows"] == 20
    assert "web.u" in lake.weir("list").out


def test_orphans_of_all_kinds(lake: Lake) -> None:
    live = lake.files()
    base = lake.warehouse / "web" / "t"
    orphans = {
        plant(base / "data" / "ts_day=2022-01-08" / "left.parquet"),
        plant(base / "data" / "ts_day=1999-01-01" / "deep" / "left.parquet"),
        plant(base / "data" / "left.parquet.tmp"),
        plant(base / "metadata" / "left-m0.avro"),
        plant(base / "metadata" / "snap-1-0-left.avro"),
        plant(base / "metadata" / "00009-left.metadata.json", "{"),
        plant(base / "metadata" / ".left-m0.avro.crc"),
    }
    side = plant(
        base / "data" / "ts_day=2022-01-08" / f".{next(p.name for p in live if p.suffix == '.parquet')}.crc"
    )
    named = next(p for p in live if p.suffix == ".parquet" and "2022-01-08" in str(p))
    os.rename(side, named.parent / f".{named.name}.crc")
    dry = clean(lake, "--older-than", "0s", "--dry-run")
    assert {f["path"] for f in dry["files"]} == orphans and dry["bytes"] == sum(
        pathlib.Path(p).stat().st_size for p in orphans
    )
    assert all(pathlib.Path(p).exists() for p in orphans)
    assert removed(lake) == orphans
    assert lake.files() == live | {named.parent / f".{named.name}.crc"}
    assert not (base / "data" / "ts_day=1999-01-01").exists()
    assert lake.counts() == expected()
    assert removed(lake) == set()


def test_age(lake: Lake) -> None:
    base = lake.warehouse / "web" / "t" / "data"
    young, old = plant(base / "young.parquet"), plant(base / "old.parquet")
    then = time.time() - 25 * 3600
    os.utime(old, (then, then))
    out = clean(lake)
    assert [f["path"] for f in out["files"]] == [old] and out["young_files"] == 1
    assert pathlib.Path(young).exists()
    assert clean(lake, "--older-than", "1h")["file_count"] == 0
    assert clean(lake, "--older-than=0")["file_count"] == 1


def test_history_keeps_its_files(lake: Lake) -> None:
    """What an older snapshot names stays; what only an expired one named goes."""
    lake.write("overwrite", "two")
    t = lake.table()
    t.append(iceberg.arrow_rows(t))
    t.delete(EqualTo("id", "py-1"))
    live = lake.files()
    assert removed(lake) == set() and lake.files() == live
    engine_lake = engine.Lake(lake.path)
    assert leftovers.referenced(engine_lake) == live


def test_failed_creation(lake: Lake) -> None:
    """Folders of tables that never came to be, at whatever point their making stopped."""
    before = lake.files()
    program = lake.arguments("overwrite", "x", FIRST_DAY, 2, 10, "crash-before", table="crashed")
    assert os.spawnv(os.P_WAIT, program[0], program) == 9
    lake.write("overwrite", "y", table="other")
    other = lake.warehouse / "web" / "other"
    for name, torn in (("whole", False), ("torn", True)):
        copy = lake.warehouse / "web" / name
        shutil.copytree(other, copy)
        (metadata,) = (copy / "metadata").glob("00000-*.metadata.json")
        text = metadata.read_text().replace("/web/other", f"/web/{name}")
        uuid = text.split('"table-uuid":"')[1][:36]
        text = text.replace(uuid, "00000000-0000-4000-8000-000000000000")
        metadata.write_text(text[:100] if torn else text)
    (lake.warehouse / "web" / "hollow" / "data" / "ts_day=2022-01-08").mkdir(parents=True)
    live = before | {p for p in other.rglob("*") if p.is_file()}
    out = clean(lake, "--older-than", "0s")
    assert out["left_alone"] == []
    assert lake.files() == live
    assert {p.name for p in (lake.warehouse / "web").iterdir()} == {"t", "other"}


def test_tables_of_others_are_left_alone(lake: Lake, tmp_path: pathlib.Path) -> None:
    """Folders without a row in this catalog that show a table which lived: dropped, or in another catalog."""
    lake.write("overwrite", "x", table="dropped")
    lake.write("append", "y", table="dropped")
    lake.write("overwrite", "z", table="copied")
    shutil.copytree(lake.warehouse / "web" / "copied", lake.warehouse / "web" / "copy")
    lake.catalog().drop_table("web.dropped")
    catalog = iceberg.SqlCatalog(
        "weir", uri=f"sqlite:///{tmp_path}/b.db", warehouse=f"file://{lake.warehouse}"
    )
    catalog.create_namespace("web")
    catalog.create_table("web.theirs", iceberg.SCHEMA)
    plant(lake.warehouse / "web" / "notes.txt")
    plant(lake.warehouse / "web" / "stuff" / "readme.md")
    plant(lake.warehouse / "web" / "stuff" / "data" / "my.csv")
    before = lake.files()
    out = clean(lake, "--older-than", "0s")
    assert lake.files() == before and out["file_count"] == 0
    assert {pathlib.Path(p).name for p in out["left_alone"]} == {"dropped", "copy", "theirs"}


def test_catalog_inside_the_warehouse(tmp_path: pathlib.Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.database = lake.warehouse / "web" / "t" / "data" / "catalog.db"
    lake.write("overwrite", "one")
    args = ["--catalog", f"sqlite://{lake.database}", "--warehouse", f"file://{lake.warehouse}"]
    done = engine.weir("table", "clean", "--older-than", "0", *args)
    assert done.code == 0, done.err
    assert lake.database.exists() and lake.counts() == expected()


def test_reached_by_another_name(lake: Lake, tmp_path: pathlib.Path) -> None:
    """The metadata name files through a path that is now a link: they are still named."""
    moved = tmp_path / "moved"
    os.rename(lake.path, moved)
    os.symlink(moved, lake.path)
    before = {p for p in moved.rglob("*") if p.is_file()}
    done = engine.weir("table", "clean", "--older-than", "0s", "--lake", moved)
    assert done.code == 0, done.err
    assert {p for p in moved.rglob("*") if p.is_file()} == before
    orphan = plant(moved / "warehouse" / "web" / "t" / "data" / "left.parquet")
    assert engine.weir("table", "clean", "--older-than", "0s", "--lake", lake.path).code == 0
    assert not pathlib.Path(orphan).exists()
    assert {p for p in moved.rglob("*") if p.is_file()} == before


def test_shared_and_nested_locations(lake: Lake) -> None:
    """Two tables in one folder, and one inside another's data folder."""
    catalog = lake.catalog()
    here = lake.table().location()
    for name, location in (
        ("same", here),
        ("inside", f"{here}/data/inside"),
        ("around", str(lake.warehouse)),
    ):
        t = catalog.create_table(f"web.{name}", iceberg.SCHEMA, location=location)
        t.append(iceberg.arrow_rows(t))
    before = lake.files()
    assert removed(lake) == set()
    assert lake.files() == before
    orphan = plant(pathlib.Path(engine.local_path(here)) / "data" / "inside" / "data" / "left.parquet")
    assert removed(lake) == {orphan}
    assert lake.table("inside").scan().to_arrow().num_rows == 3


def test_one_table(lake: Lake) -> None:
    lake.write("overwrite", "two", table="u")
    mine = plant(lake.warehouse / "web" / "u" / "data" / "left.parquet")
    other = plant(lake.warehouse / "web" / "t" / "data" / "left.parquet")
    assert removed(lake, "web.u") == {mine}
    assert pathlib.Path(other).exists()
    assert lake.weir("clean", "web.none").code == 3


def test_other_tables_unreadable(lake: Lake) -> None:
    """Cleaning one table needs all: another may name files in its folder."""
    lake.write("overwrite", "two", table="u")
    orphan = plant(lake.warehouse / "web" / "t" / "data" / "left.parquet")
    path = pathlib.Path(engine.local_path(lake.location("u")))
    path.write_text("{}")
    done = lake.weir("clean", "--older-than", "0s", "web.t")
    assert done.code == 3 and path.name in done.err and "nothing was removed" in done.err
    assert pathlib.Path(orphan).exists()
