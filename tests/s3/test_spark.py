"""stacks/spark on S3: the native engine's rows, errors that say what to do, nothing left behind, keys nowhere. Few runs, since
each starts Spark."""

from __future__ import annotations

import gzip
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from tools import engine
from tools.minio import BUCKET
from tools.proxy import Proxy

from s3.test_s3 import Lake, same

STACK = engine.ROOT / "stacks/spark"
SECONDS = 120.0
pytestmark = pytest.mark.skipif(
    not (STACK / ".jars/s3").is_dir() or not (STACK / ".venv").is_dir() or not shutil.which("java"),
    reason="the stack spark is not set up (scripts/setup --spark)",
)


@pytest.fixture
def lake(tmp_path, server, mmdb) -> Lake:
    return Lake(tmp_path, server, mmdb)


@pytest.fixture(scope="module")
def pieces(data, tmp_path_factory) -> pathlib.Path:
    """Input of all kinds, no row in two of them; one with a name that Spark would pass over."""
    folder = tmp_path_factory.mktemp("pieces")
    header, *lines = (data / "csv/events.csv").read_bytes().splitlines(keepends=True)
    a, b, c, d = (header + b"".join(lines[n::4]) for n in range(4))
    (folder / "a.csv").write_bytes(a)
    (folder / "_b of {1}.csv").write_bytes(b)
    (folder / "c.csv.gz").write_bytes(gzip.compress(c))
    packed = subprocess.run(["zstd", "-qc"], input=d, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip("the command zstd is not installed")
    (folder / "d.csv.zst").write_bytes(packed.stdout)
    for file in (data / "parquet").glob("*.parquet"):
        (folder / f"e-{file.name}").write_bytes(file.read_bytes())
    return folder


def put(server, folder: pathlib.Path, prefix: str) -> list[str]:
    """Where the folder's files are then."""
    files = sorted(folder.iterdir())
    for file in files:
        server.client().put(BUCKET, f"{prefix}/{file.name}", file.read_bytes())
    return [f"s3://{BUCKET}/{prefix}/{file.name}" for file in files]


def native(folder: pathlib.Path, inputs: list, mmdb: pathlib.Path, *more) -> engine.Lake:
    """What the native engine makes of it on local disks."""
    plain = engine.Lake(folder / "plain")
    plain.ledger = plain.run(inputs, mmdb, *more).ledger
    return plain


def run(lake: Lake, *args, stack: str = "spark", env: dict[str, str] | None = None) -> engine.Outcome:
    budget = ("--threads", "2", "--memory", "3GB")
    return lake.weir("run", "--json", "--stack", stack, *budget, *args, env=env or {}, timeout=SECONDS)


def equal(lake: Lake, plain: engine.Lake, env: dict[str, str] | None = None) -> None:
    """By `weir verify`."""
    if "httpfs" in lake.weir("sql", "select 1", env=env or {}).err:
        pytest.skip("DuckDB's httpfs is not installed: scripts/setup --s3")
    location = plain.location("events").removeprefix("file://")
    done = lake.weir("verify", "web.events", location, env=env or {})
    assert done.code == 0, done.out + done.err


def sources(table: engine.Table) -> set[str]:
    at = table.columns.index("source_file")
    return {row[at] for row in table.rows if row[0] == "malformed_row"}


def test_all_on_s3(lake, server, mmdb, pieces, tmp_path):
    """Tables and input; the secret is nowhere, while it runs and afterwards."""
    plain = native(tmp_path, sorted(pieces.iterdir()), mmdb)
    where, secret, seen = put(server, pieces, "spark-all"), server.keys[1], []

    def rule(method: str, path: str, number: int) -> None:
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(secret.encode() in command.read_bytes())
            except OSError:
                continue
        for file in tmp_path.rglob("*"):  # the job and what it leads to are below
            try:
                assert file.is_dir() or secret.encode() not in file.read_bytes()
            except FileNotFoundError:
                continue

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint, "TMPDIR": str(tmp_path)}
        done = run(lake, *where, env=env)
    assert done.code == 0, done.err
    assert done.err == ""
    assert same(done.ledger, plain.ledger)
    assert seen and not any(seen)
    assert lake.location("events").startswith(f"s3://{BUCKET}/{lake.prefix}/web/events/metadata/")
    assert lake.no_uploads()
    assert not [key for key in lake.objects() if key.endswith("/")], "no object for a folder"
    assert secret not in done.out + done.err
    for key in lake.objects():
        assert secret.encode() not in server.client().get(BUCKET, key)
    equal(lake, plain)


def test_input_on_s3_tables_here(lake, server, mmdb, pieces, tmp_path):
    """Records over several lines, names of sources; the run that follows adds local input to tables on S3."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("input: {csv: {multiline: true}}\n")
    texts = [p for p in sorted(pieces.iterdir()) if ".csv" in p.name]
    plain = native(tmp_path, texts, mmdb, "--pipeline", pipeline)
    where = [p for p in put(server, pieces, "spark-in") if ".csv" in p]
    done = run(lake, "--pipeline", pipeline, *where, env={"WEIR_WAREHOUSE": ""})
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    mine, other = (engine.read_table(of.location("events")) for of in (lake, plain))
    assert engine.bag(mine.rows) == engine.bag(other.rows)
    mine, other = (engine.read_table(of.location("rejects")) for of in (lake, plain))
    assert engine.bag_of_rejects(mine.rows) == engine.bag_of_rejects(other.rows)
    assert sources(mine) == {p.name for p in texts}


def test_appended_to_what_native_made(lake, mmdb, data, tmp_path):
    parquet = sorted((data / "parquet").glob("*.parquet"))
    plain = native(tmp_path, [data / "csv/events.csv"], mmdb)
    plain.run(parquet, mmdb, "--mode", "append")
    assert lake.weir("run", "--json", data / "csv/events.csv").code == 0
    done = run(lake, "--mode", "append", *parquet)
    assert done.code == 0, done.err
    equal(lake, plain)


ERRORS = {
    "wrong key": ({"AWS_ACCESS_KEY_ID": "AKIDNOBODY"}, 3, "does not know the access key"),
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 3, "check AWS_SECRET_ACCESS_KEY"),
    "session token": ({"AWS_SESSION_TOKEN": "made-up"}, 3, "check AWS_SESSION_TOKEN"),
    "no bucket": ({"WEIR_WAREHOUSE": "s3://nobody-has-it/x"}, 3, 'there is no bucket "nobody-has-it"'),
    "refused": ({"WEIR_S3_ENDPOINT": "http://127.0.0.1:1"}, 4, "http://127.0.0.1:1 cannot be reached"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(lake, server, data, case):
    """One line that says what, where and what to do; no key in it; nothing left; soon."""
    env, code, text = ERRORS[case]
    begun = time.monotonic()
    done = run(lake, data / "csv/events.csv", env=env)
    assert time.monotonic() - begun < 30
    assert done.code == code, done.err
    assert text in done.err and done.err.count("\n") == 2, done.err
    assert server.keys[1] not in done.err
    assert lake.state() == {"events": None, "rejects": None} and not lake.objects()


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
        done = run(lake, f"s3://{BUCKET}/spark-changing/day.csv", env=env)
    assert len(reads) >= 4
    assert done.code == 3, done.err
    assert "changed while it was read" in done.err
    assert lake.state() == {"events": None, "rejects": None} and not lake.objects("/data/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(lake, server, large, number):
    """While an upload is made: no part and no object of it stays."""
    process: list[subprocess.Popen] = []

    def interrupt() -> None:
        process[0].send_signal(number)
        time.sleep(0.5)

    def rule(method: str, path: str, count: int):
        return interrupt if method == "PUT" and "/data/" in path else None

    with Proxy(server.port, rule) as proxy:
        env = {**lake.env, "WEIR_LAKE": str(lake.path), "WEIR_S3_ENDPOINT": proxy.endpoint}
        command = [
            str(engine.BINARY),
            "run",
            "--json",
            "--stack",
            "spark",
            "--threads",
            "2",
            "--memory",
            "3GB",
        ]
        process.append(
            subprocess.Popen(
                [*command, str(large)],
                env=engine.clean_env(env),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        _, err = process[0].communicate(timeout=SECONDS)
    assert process[0].returncode == 130, err
    assert lake.state() == {"events": None, "rejects": None}
    assert not lake.objects("/data/") and lake.no_uploads()


def test_cluster_with_temporary_credentials(lake, server, mmdb, data, tmp_path):
    """Executors find the keys too, and a session's token; the event log has neither."""
    credentials = server.client().assume_role()
    plain = native(tmp_path, [data / "csv/events.csv"], mmdb)
    server.client().put(BUCKET, "spark-token/events.csv", (data / "csv/events.csv").read_bytes())
    kept = tmp_path / "kept"
    env = {**credentials, "WEIR_KEEP_DIR": str(kept)}
    done = run(lake, f"s3://{BUCKET}/spark-token/events.csv", stack="spark-cluster-1", env=env)
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    equal(lake, plain, credentials)
    logs = [p for p in kept.rglob("*") if p.is_file()]
    assert any(p.stat().st_size > 1000 for p in logs)
    texts = [*(p.read_bytes() for p in logs), *(server.client().get(BUCKET, key) for key in lake.objects())]
    secrets = [os.fsencode(v) for v in credentials.values()]
    assert not any(secret in text for secret in secrets[1:] for text in texts)
