"""`weir bench` into a lake of one's own: PostgreSQL where it is there, tables on S3, nothing left afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess

import pytest
from tools import engine, postgres
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


def bench(tmp_path, catalog, server, *more: str) -> subprocess.CompletedProcess[str]:
    uri, env, _ = catalog
    plan = {"stacks": ["native"], "data": {"name": "few", "rows": 2000}, "repetitions": 2, "aa": "native"}
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    command = [
        *(str(engine.BINARY), "bench", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "r.jsonl")),
        *("--data-dir", str(tmp_path / "data"), "--catalog", uri),
        *("--warehouse", f"s3://{BUCKET}/{tmp_path.name}", "--s3-endpoint", server.endpoint, *more),
    ]
    return subprocess.run(
        command,
        env={**os.environ, **server.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_samples_on_s3(tmp_path, catalog, server):
    done = bench(tmp_path, catalog, server)
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


def test_passwords_stay_out_of_results(tmp_path, server):
    done = bench(tmp_path, ("postgresql://me:secret@127.0.0.1:1/x", {}, None), server)
    assert done.returncode == 2
    assert "PGPASSWORD" in done.stderr and "secret" not in done.stderr
    assert not (tmp_path / "r.jsonl").exists()
