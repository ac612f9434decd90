"""stacks/spark on a standalone cluster of this machine: equal results, clear errors, nothing left."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest
from tools.engine import BINARY, ROOT
from tools.postgres import alive, free_port

STACK = ROOT / "stacks/spark"
pytestmark = pytest.mark.skipif(
    not (STACK / ".jars").is_dir() or not (STACK / ".venv").is_dir() or not shutil.which("java"),
    reason="the stack spark is not set up (scripts/setup --spark)",
)


def pids(folder: pathlib.Path) -> list[int]:
    return [int(f.read_text()) for f in folder.glob("*.pid")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    ports = {n: str(free_port()) for n in ("PORT", "WEBUI_PORT", "WORKER_WEBUI_PORT")}
    command = [str(STACK / "cluster"), "start", str(folder), "1", "2g", "2"]
    started = subprocess.run(
        command, env={**os.environ, **ports}, stdout=subprocess.PIPE, text=True, check=True
    )
    running = pids(folder)
    assert len(running) == 3 and all(map(alive, running))
    yield started.stdout.strip()
    subprocess.run([str(STACK / "cluster"), "stop", str(folder)], check=True)
    assert not pids(folder)
    assert not [p for p in running if alive(p)]


def weir(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BINARY), *map(str, args)],
        env={**os.environ, "WEIR_STACKS": str(ROOT / "stacks"), **env},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_equal_to_the_native_engine(cluster, tmp_path):
    assert weir("gen", "--rows", 5000, "--dirt", "much", "--out", tmp_path / "data").returncode == 0
    lake = ("--lake", tmp_path / "lake")
    native = weir("run", tmp_path / "data", *lake)
    assert native.returncode == 0, native.stderr
    budget = ("--threads", 2, "--memory", "4GB", "--events", "spark_events", "--rejects", "spark_rejects")
    env = {"WEIR_SPARK_MASTER": "cluster", "SPARK_MASTER_URL": cluster, "WEIR_SPARK_EXECUTORS": "2"}
    spark = weir("run", tmp_path / "data", *lake, "--stack", "spark", *budget, **env)
    assert spark.returncode == 0, spark.stderr
    verified = weir("verify", *lake, "events", "spark_events")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_cluster_of_its_own(tmp_path):
    """The variant runs master and workers itself, says so in its result, keeps logs, and leaves no process."""
    assert weir("gen", "--rows", 5000, "--dirt", "much", "--out", tmp_path / "data").returncode == 0
    lake = ("--lake", tmp_path / "lake")
    assert weir("run", tmp_path / "data", *lake).returncode == 0
    budget = ("--threads", 2, "--memory", "5GB", "--events", "spark_events", "--rejects", "spark_rejects")
    keep = tmp_path / "kept"
    spark = weir(
        "run", tmp_path / "data", *lake, "--stack", "spark-cluster-2", *budget, WEIR_KEEP_DIR=str(keep)
    )
    assert spark.returncode == 0, spark.stderr
    verified = weir("verify", *lake, "events", "spark_events")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert {"master.log", "worker1.log", "worker2.log"} <= {p.name for p in keep.iterdir()}
    logs = [p for p in keep.rglob("*app-*") if p.is_file() and p.stat().st_size > 1000]
    assert logs, [str(p) for p in keep.rglob("*")]
    assert not subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False).stdout


def test_more_than_any_worker_has_is_an_error_and_no_endless_wait(cluster, tmp_path):
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("event_id,user_id,timestamp,page_url,referrer,device,ip_address\n")
    env = {"WEIR_SPARK_MASTER": "cluster", "SPARK_MASTER_URL": cluster, "WEIR_SPARK_WAIT": "3"}
    budget = ("--threads", 1, "--memory", "64GB")
    done = weir("run", clicks, "--lake", tmp_path / "lake", "--stack", "spark", *budget, **env)
    assert done.returncode == 4
    assert "took 0 of 1 executors within 3 s" in done.stderr and "--memory" in done.stderr
