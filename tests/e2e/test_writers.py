"""Thirty writers of five commits each into one table at once, of weir, PyIceberg and Spark: no commit is lost and none
is there twice, in either kind of catalog. What a writer is told has failed it may do again."""

from __future__ import annotations

import collections
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from tools import engine, postgres
from tools.spark import JARS, PYTHON, spark_only

COMMITS = 5
WEIR, PYICEBERG, SPARK = 12, 12, 6
HEADER = "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"
TOOLS = pathlib.Path(__file__).parents[1] / "tools"
needs_postgres = pytest.mark.skipif(not postgres.programs(), reason=postgres.MISSING)


@pytest.fixture
def server():
    with postgres.temporary() as server:
        yield server


def weir_writer(n: int, folder: pathlib.Path, where: list[str], env: dict[str, str], done: list[str]) -> None:
    for commit in range(COMMITS):
        name = f"weir-{n}-{commit}"
        source = folder / f"{name}.csv"
        source.write_text(HEADER + f"{name},w,2024-01-02T03:04:05Z,/,,,\n")
        got = engine.weir("run", "--mode", "append", *where, source, env=env, timeout=300)
        if got.code:
            done.append(f"weir: {got.err}")
            return
        done.append(name)


def other_writer(command: list[str], env: dict[str, str], done: list[str]) -> None:
    got = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=600, check=False
    )
    done += got.stdout.split()
    if got.returncode:
        done.append(got.stderr[-2000:])


def write_all(
    folder: pathlib.Path, uri: str, others_uri: str, env: dict[str, str], mmdb: pathlib.Path
) -> None:
    """`others_uri`: the catalog's for SQLAlchemy."""
    warehouse = f"file://{folder}/warehouse"
    where = ["--catalog", uri, "--warehouse", warehouse, "--mmdb", str(mmdb)]
    first = folder / "first.csv"
    first.write_text(HEADER + "first,w,2024-01-02T03:04:05Z,/,,,\n")
    assert engine.weir("run", *where, first, env=env).code == 0
    done: list[str] = []
    table = "web.events"
    threads = [threading.Thread(target=weir_writer, args=(n, folder, where, env, done)) for n in range(WEIR)]
    script, spark_script = str(TOOLS / "pyiceberg_writer.py"), str(TOOLS / "spark_writer.py")
    for n in range(PYICEBERG // 4):
        command = [sys.executable, script, f"py{n}", "4", str(COMMITS), table, others_uri, warehouse]
        threads.append(threading.Thread(target=other_writer, args=(command, env, done)))
    command = [PYTHON, spark_script, str(SPARK), str(COMMITS), table, uri, warehouse, JARS]
    threads.append(threading.Thread(target=other_writer, args=(command, env, done)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = (WEIR + PYICEBERG + SPARK) * COMMITS
    assert len(done) == total and len(set(done)) == total, [d for d in done if " " in d or "\n" in d][:3]
    catalog = SqlCatalog("weir", uri=others_uri, warehouse=warehouse)
    events = catalog.load_table(table)
    ids = collections.Counter(events.scan(selected_fields=("event_id",)).to_arrow()["event_id"].to_pylist())
    assert ids == collections.Counter(["first", *done])
    assert len(events.metadata.snapshots) == 1 + total
    rejects = catalog.load_table("web.rejects")
    assert len(rejects.metadata.snapshots) == 1 + WEIR * COMMITS
    assert engine.weir("table", "show", table, *where[:4], env=env).code == 0


@spark_only
def test_thirty_writers_on_sqlite(tmp_path, small_mmdb):
    write_all(
        tmp_path, f"sqlite:///{tmp_path}/catalog.db", f"sqlite:///{tmp_path}/catalog.db", {}, small_mmdb
    )


@spark_only
@needs_postgres
def test_thirty_writers_on_postgresql(tmp_path, server, small_mmdb):
    others = server.uri(password=True).replace("postgresql://", "postgresql+psycopg://")
    write_all(tmp_path, server.uri(), others, server.env, small_mmdb)
