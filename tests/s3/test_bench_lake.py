"""`weir bench` into a lake of one's own: PostgreSQL where it is there, tables on S3, nothing left afterwards."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest
from tools import docker, engine, postgres
from tools.minio import BUCKET


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request, tmp_path):
    """Its URI, environment, and the names of its namespaces."""
    if request.param == "sqlite":
        path = tmp_path / "catalog.db"

        def namespaces() -> list[str]:
            with sqlite3.connect(path) as db:
                return [r[0] for r in db.execute("SELECT table_namespace FROM iceberg_tables")]

        yield f"sqlite://{path}", {}, namespaces
        return
    if not postgres.programs():
        pytest.skip(postgres.MISSING)
    with postgres.temporary() as server:
        yield server.uri(), server.env, lambda: [
            r[0] for r in server.sql("select table_namespace from iceberg_tables")
        ]


def start(tmp_path, catalog, server, **keys: object) -> subprocess.Popen[str]:
    """`keys`: of the plan."""
    uri, env, _ = catalog
    plan: dict[str, object] = {"stacks": ["native"], "data": {"name": "few", "rows": 2000}}
    plan |= {"repetitions": 2, "aa": "native"} | keys
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    command = [
        *(str(engine.BINARY), "bench", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "r.jsonl")),
        *("--data-dir", str(tmp_path / "data"), "--catalog", uri),
        *("--warehouse", f"s3://{BUCKET}/{tmp_path.name}", "--s3-endpoint", server.endpoint),
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, **server.env, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bench(tmp_path, catalog, server, **keys: object) -> subprocess.CompletedProcess[str]:
    process = start(tmp_path, catalog, server, **keys)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def verified(done: subprocess.CompletedProcess[str], tmp_path, catalog, server) -> None:
    """All samples are there and equal, and nothing is left of their tables."""
    if "httpfs" in done.stderr:
        pytest.skip("DuckDB's httpfs is not installed: scripts/setup --s3")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "r.jsonl").read_text()
    samples = [json.loads(line) for line in text.splitlines() if '"sample"' in line]
    assert len(samples) == 4
    for sample in samples:
        assert sample["status"] == "ok", sample["error"]
        assert sample["verified"]
        assert sample["metrics"]["output_bytes"] > 10_000
        assert sample["metrics"]["output_files"] > 0
        assert sample["metrics"]["flush_s"] is None
    assert len({s["digest"] for s in samples}) == 1
    assert catalog[2]() == []
    assert server.client().objects(BUCKET, f"{tmp_path.name}/") == {}
    secret = server.keys[1]
    assert secret not in text and secret not in done.stderr + done.stdout


def test_samples_on_s3(tmp_path, catalog, server):
    verified(bench(tmp_path, catalog, server), tmp_path, catalog, server)


def test_an_interrupt_leaves_no_tables(tmp_path, catalog, server):
    process = start(tmp_path, catalog, server, repetitions=500)
    results = tmp_path / "r.jsonl"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if results.exists() and '"status":"ok"' in results.read_text().replace(" ", ""):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if "httpfs" in err:
        pytest.skip("DuckDB's httpfs is not installed: scripts/setup --s3")
    assert process.returncode == 130 and "go on with --resume" in err and "are left" not in err, err
    assert catalog[2]() == []
    assert server.client().objects(BUCKET, f"{tmp_path.name}/") == {}


@pytest.mark.skipif(bool(docker.missing()), reason=docker.missing())
@pytest.mark.parametrize("catalog", ["postgresql"], indirect=True)
def test_containers_trust_the_same_certificates(tmp_path, catalog, tls_server):
    """S3 over TLS, by an authority that no image has: AWS_CA_BUNDLE holds in containers, too."""
    # A short path: a socket's name has 107 bytes at most.
    made = docker.start(pathlib.Path(tempfile.mkdtemp(prefix="weir-docker-")))
    try:
        made.image("native", docker.VERSIONS + docker.NATIVE)
        catalog[1]["DOCKER_HOST"] = made.host
        done = bench(tmp_path, catalog, tls_server, backend="container")
        verified(done, tmp_path, catalog, tls_server)
        assert made.containers() == []
    finally:
        made.close()


def test_passwords_stay_out_of_results(tmp_path, server):
    done = bench(tmp_path, ("postgresql://me:secret@127.0.0.1:1/x", {}, None), server)
    assert done.returncode == 2
    assert "PGPASSWORD" in done.stderr and "secret" not in done.stderr
    assert not (tmp_path / "r.jsonl").exists()
