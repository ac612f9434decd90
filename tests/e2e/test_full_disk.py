"""A disk that is full in the middle of a run, for each stack: it says where, leaves no file, and the run can be done again."""

from __future__ import annotations

import pathlib
import subprocess

import pytest
from tools import clicks, engine

ROWS = 40_000  # of which the files are about 1 MB


@pytest.fixture
def disk(tmp_path):
    """A file system of 512 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a file system of its own can not be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["native", "pythonic", "spark"])
def stack(request) -> str:
    if engine.weir("stack", "check", request.param).code:
        pytest.skip(f"the stack {request.param} is not set up: weir stack setup {request.param}")
    return request.param


def test_of_the_tables(stack, disk, tmp_path, small_mmdb):
    clicks.write(tmp_path / "clicks.csv", ROWS)
    where = ("--catalog", f"sqlite:///{tmp_path}/catalog.db", "--warehouse", f"file://{disk}/warehouse")
    command = ("run", "--json", "--stack", stack, "--run-id", "again", "--mmdb", small_mmdb)
    command = (*command, *where, "--tmp-dir", tmp_path, tmp_path / "clicks.csv")
    done = engine.weir(*command)
    assert done.code == 4
    assert "No space left on device" in done.err and f"{disk}/warehouse" in done.err
    assert len(done.err.splitlines()) <= 2  # the stack's line, and weir's
    assert files(disk) == []
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
    done = engine.weir(*command)
    assert done.code == 0, done.err
    assert done.ledger["rows_in"] == ROWS
    shown = engine.weir("table", "show", "web.events", "--json", *where)
    assert shown.code == 0 and shown.ledger["snapshots"] == 1, shown.err
