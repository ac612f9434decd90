"""Lakes in odd places, and several writers at once."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from tools import clicks, engine, leftovers

ROW = "{id},{user},2024-01-02T03:04:05Z,/,,,1.2.3.4\n"


def one_row(folder: pathlib.Path, name: str, id: str) -> pathlib.Path:
    path = folder / name
    path.write_text(clicks.HEADER + ROW.format(id=id, user="u-" + id))
    return path


@pytest.mark.parametrize(
    "name",
    ["with space", "ünïcode", "per%20cent", "quo'te", "a+b", "semi;colon", "eq=ual"],
)
def test_odd_folder_names(tmp_path, small_mmdb, name):
    """Readers find the files whatever the path; so does the next run, and cleaning keeps them."""
    lake = engine.Lake(tmp_path / name / "lake")
    lake.path.parent.mkdir()
    lake.run([one_row(tmp_path / name, f"in {name}.csv", "e1")], small_mmdb)
    lake.run([one_row(tmp_path, "b.csv", "e2")], small_mmdb, "--mode", "append")
    for reader in ("duckdb", "pyiceberg"):
        rows = engine.read_table(lake.location("events"), reader).rows
        assert sorted(row[0] for row in rows) == ["e1", "e2"], reader
    assert engine.weir("table", "clean", "--older-than", "0s", "--lake", lake.path).code == 0
    assert len(lake.read("events").rows) == 2
    files = {p for p in lake.warehouse.rglob("*") if p.is_file()}
    assert files == leftovers.referenced(lake)


def test_relative_lake(tmp_path, small_mmdb):
    """--lake relative to where weir runs; the tables are found from anywhere."""
    source = one_row(tmp_path, "a.csv", "e1")
    done = engine.weir("run", "--lake", "here", "--mmdb", small_mmdb, source.name, cwd=tmp_path)
    assert done.code == 0, done.err
    assert len(engine.Lake(tmp_path / "here").read("events").rows) == 1


def start(lake: engine.Lake, source: pathlib.Path, mmdb: pathlib.Path, *args: str) -> subprocess.Popen:
    command = [str(engine.BINARY), *lake.command([source], mmdb, *args)]
    return subprocess.Popen(
        command, env=engine.clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("existing", [False, True])
def test_writers_at_once_append(tmp_path, small_mmdb, existing):
    """None fails and none is lost, into a new table and an existing one."""
    lake = engine.Lake(tmp_path / "lake")
    want = [f"e{n}" for n in range(6)]
    if existing:
        lake.run([one_row(tmp_path, "first.csv", "first")], small_mmdb)
        want.append("first")
    running = [
        start(lake, one_row(tmp_path, f"{n}.csv", f"e{n}"), small_mmdb, "--mode", "append") for n in range(6)
    ]
    for process in running:
        said = process.communicate(timeout=engine.TIMEOUT)[1]
        assert process.returncode == 0, said
    assert sorted(row[0] for row in lake.read("events").rows) == sorted(want)
    events, rejects = lake.metadata("events"), lake.metadata("rejects")
    assert len(events["snapshots"]) == len(rejects["snapshots"]) == len(want)
    assert {p for p in lake.warehouse.rglob("*") if p.is_file()} == leftovers.referenced(lake)


def test_writers_at_once_overwrite(tmp_path, small_mmdb):
    """The last to commit stays, whole."""
    lake = engine.Lake(tmp_path / "lake")
    running = [start(lake, one_row(tmp_path, f"{n}.csv", f"e{n}"), small_mmdb) for n in range(6)]
    for process in running:
        said = process.communicate(timeout=engine.TIMEOUT)[1]
        assert process.returncode == 0, said
    assert len(lake.read("events").rows) == 1
    assert len(lake.metadata("events")["snapshots"]) == 6


def test_same_run_id_at_once(tmp_path, small_mmdb):
    """4.6 under a race: one commits, the others skip."""
    lake = engine.Lake(tmp_path / "lake")
    source = one_row(tmp_path, "a.csv", "e1")
    running = [start(lake, source, small_mmdb, "--mode", "append", "--run-id", "same") for _ in range(6)]
    for process in running:
        said = process.communicate(timeout=engine.TIMEOUT)[1]
        assert process.returncode == 0, said
    for table in ("events", "rejects"):
        assert len(lake.metadata(table)["snapshots"]) == 1
    assert len(lake.read("events").rows) == 1
    assert {p for p in lake.warehouse.rglob("*") if p.is_file()} == leftovers.referenced(lake)


def test_beside_pyiceberg(tmp_path, small_mmdb):
    """Appends of both, interleaved at will: none is lost."""
    from pyiceberg.catalog.sql import SqlCatalog

    lake = engine.Lake(tmp_path / "lake")
    lake.run([one_row(tmp_path, "first.csv", "first")], small_mmdb)
    catalog = SqlCatalog("weir", uri=f"sqlite:///{lake.catalog}", warehouse=f"file://{lake.warehouse}")
    row = catalog.load_table("web.events").scan().to_arrow()
    running = [
        start(lake, one_row(tmp_path, f"{n}.csv", f"e{n}"), small_mmdb, "--mode", "append") for n in range(4)
    ]
    for _ in range(3):
        catalog.load_table("web.events").append(row)
    for process in running:
        said = process.communicate(timeout=engine.TIMEOUT)[1]
        assert process.returncode == 0, said
    ids = sorted(r[0] for r in lake.read("events").rows)
    assert ids == ["e0", "e1", "e2", "e3", *["first"] * 4]


def test_clean_beside_a_running_writer(tmp_path, small_mmdb):
    """Files younger than --older-than are a running writer's: cleaning all the while harms no run."""
    lake = engine.Lake(tmp_path / "lake")
    lake.run([one_row(tmp_path, "first.csv", "first")], small_mmdb)
    source = clicks.write(tmp_path / "some.csv", 30_000)
    for _ in range(3):
        process = start(lake, source, small_mmdb)
        while process.poll() is None:
            done = engine.weir("table", "clean", "--older-than", "60s", "--lake", lake.path)
            assert done.code == 0, done.err
        assert process.returncode == 0, process.stderr.read()
        process.stderr.close()
        assert len(lake.read("events").rows) > 20_000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_unreadable_input(tmp_path, small_mmdb):
    """Permissions, as a user whom they bind."""
    source = one_row(tmp_path, "a.csv", "e1")
    source.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to(tmp_path.parents[2]):
            folder.chmod(0o755)
    lake = tmp_path / "lake"
    lake.mkdir()
    lake.chmod(0o777)
    command = ["run", "--lake", str(lake), "--mmdb", str(small_mmdb), str(source)]
    done = subprocess.run(
        [str(engine.BINARY), *command],
        env=engine.clean_env(),
        stderr=subprocess.PIPE,
        text=True,
        user=65534,
        check=False,
    )
    assert done.returncode in (3, 4)
    assert "a.csv" in done.stderr and done.stderr.count("\n") == 1
