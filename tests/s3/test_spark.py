"""stacks/spark on S3: what test_stacks.py asks of every stack, in few runs, since each starts Spark, and what is its own."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from tools import engine
from tools.minio import BUCKET
from tools.proxy import Proxy

from s3 import test_stacks as shared
from s3.lake import Lake, same

STACK = engine.ROOT / "stacks/spark"
pytestmark = pytest.mark.skipif(
    not (STACK / ".jars/s3").is_dir() or not (STACK / ".venv").is_dir() or not shutil.which("java"),
    reason="the stack spark is not set up (scripts/setup --spark)",
)
pieces = shared.pieces


@pytest.fixture
def lake(tmp_path, server, mmdb) -> Lake:
    return Lake(tmp_path, server, mmdb)


def test_all_kinds_of_input(lake, server, mmdb, pieces, tmp_path):
    shared.test_all_kinds_of_input(lake, "spark", server, mmdb, pieces, tmp_path)
    assert not [key for key in lake.objects() if key.endswith("/")], "an object for a folder"


def test_appended_to_what_native_made(lake, mmdb, data, tmp_path):
    shared.test_appended_to_what_native_made(lake, "spark", mmdb, data, tmp_path)


def test_records_of_several_lines(lake, server, mmdb, pieces, tmp_path):
    """And a name that Spark would take for a pattern, and pass over. Tables on a disk."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("input: {csv: {multiline: true}}\n")
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for name in ("b.csv.gz", "c.csv.zst"):
        shutil.copy(pieces / name, inputs)
    shutil.copy(pieces / "a.csv", inputs / "_a of {1}.csv")
    shutil.copy(next(pieces.glob("*.parquet")), inputs / ".d [*].parquet")
    files = sorted(inputs.iterdir())
    plain = shared.native(tmp_path, files, mmdb, "--pipeline", str(pipeline))
    where = shared.put(server, inputs, "spark-lines")
    given = [where + file.name.replace("[", "\\[").replace("*", "\\*") for file in files]
    run = ("run", "--json", "--stack", "spark", "--pipeline", pipeline)
    done = lake.weir(*run, *given, env={"WEIR_WAREHOUSE": ""})
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    mine, other = (engine.read_table(of.location("events")) for of in (lake, plain))
    assert engine.bag(mine.rows) == engine.bag(other.rows)
    mine, other = (engine.read_table(of.location("rejects")) for of in (lake, plain))
    assert engine.bag_of_rejects(mine.rows) == engine.bag_of_rejects(other.rows), "source_file too"


@pytest.mark.parametrize("case", ["wrong key", "no bucket", "refused"])
def test_errors(lake, server, data, case):
    begun = time.monotonic()
    shared.test_errors(lake, "spark", server, data, case)
    assert time.monotonic() - begun < engine.TIMEOUT / 2, "S3A's own measure is minutes"


def test_input_changed(lake, server, large):
    """Replaced while it is read: an error, never a mixture."""
    client, text = server.client(), large.read_bytes()
    client.put(BUCKET, "spark-changing/day.csv", text)
    reads = []

    def rule(method: str, path: str, number: int) -> None:
        if method == "GET" and path.endswith("day.csv"):
            reads.append(path)
            if len(reads) == 4:
                client.put(BUCKET, "spark-changing/day.csv", text[: len(text) // 2])

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint}
        where = f"s3://{BUCKET}/spark-changing/day.csv"
        done = lake.weir("run", "--json", "--stack", "spark", where, env=env)
    assert len(reads) >= 4
    assert done.code == 3, done.err
    assert "changed while it was read" in done.err
    assert lake.state() == {"events": None, "rejects": None} and not lake.objects("/data/")


def test_interrupt(lake, server, large):
    shared.test_interrupt(lake, "spark", server, large, signal.SIGINT)


def test_tls(tls_server, mmdb, data, tmp_path):
    shared.test_tls(tls_server, "spark", mmdb, data, tmp_path)


def test_cluster_with_temporary_credentials(lake, server, mmdb, data, tmp_path):
    """Executors find the keys too, and a session's token; the event log has neither."""
    credentials = server.client().assume_role()
    plain = shared.native(tmp_path, [data / "csv/events.csv"], mmdb)
    where = shared.put(server, data / "csv", "spark-token")
    kept = tmp_path / "kept"
    budget = ("--threads", "2", "--memory", "4GB")
    done = lake.weir(
        *("run", "--json", "--stack", "spark-cluster-1", *budget, where),
        env={**credentials, "WEIR_KEEP_DIR": str(kept)},
    )
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    lake.needs_httpfs()
    shared.equal(lake, plain, credentials)
    logs = [p for p in kept.rglob("*") if p.is_file()]
    assert any("app-" in str(p) and p.stat().st_size > 1000 for p in logs), "an event log"
    texts = [*(p.read_bytes() for p in logs), *(server.client().get(BUCKET, key) for key in lake.objects())]
    secrets = [os.fsencode(credentials[k]) for k in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    assert not any(secret in text for secret in secrets for text in texts)
