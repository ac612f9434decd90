"""Other stacks with tables and input on S3: the same rows as the native engine's, the same errors, and nothing left."""

from __future__ import annotations

import gzip
import json
import pathlib
import signal
import subprocess
import time

import pytest
from tools import engine, postgres
from tools.minio import BUCKET
from tools.proxy import Proxy

from s3.lake import Lake, same
from s3.test_s3 import ERRORS, FAULTS

STACKS = ["pythonic"]


def is_set_up(name: str) -> bool:
    return engine.weir("stack", "check", name).code == 0


@pytest.fixture(scope="module", params=STACKS)
def stack(request) -> str:
    if not is_set_up(request.param):
        pytest.skip(f"stack {request.param} is not set up (weir stack setup {request.param})")
    return request.param


@pytest.fixture(scope="module", params=["native", *STACKS])
def any_stack(request) -> str:
    if not is_set_up(request.param):
        pytest.skip(f"stack {request.param} is not set up (weir stack setup {request.param})")
    return request.param


@pytest.fixture
def lake(tmp_path, server, mmdb) -> Lake:
    return Lake(tmp_path, server, mmdb)


@pytest.fixture(scope="module")
def pieces(data, tmp_path_factory) -> pathlib.Path:
    """Input of all kinds, no row in two of them."""
    folder = tmp_path_factory.mktemp("pieces")
    header, *lines = (data / "csv/events.csv").read_bytes().splitlines(keepends=True)
    a, b, c = (header + b"".join(lines[n::3]) for n in range(3))
    (folder / "a.csv").write_bytes(a)
    (folder / "b.csv.gz").write_bytes(gzip.compress(b))
    packed = subprocess.run(["zstd", "-qc"], input=c, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip("the command zstd is not installed")
    (folder / "c.csv.zst").write_bytes(packed.stdout)
    for file in (data / "parquet").glob("*.parquet"):
        (folder / f"d-{file.name}").write_bytes(file.read_bytes())
    return folder


def put(server, folder: pathlib.Path, prefix: str) -> str:
    """Where the folder's files are then."""
    for file in folder.iterdir():
        server.client().put(BUCKET, f"{prefix}/{file.name}", file.read_bytes())
    return f"s3://{BUCKET}/{prefix}/"


def native(folder: pathlib.Path, inputs: list[pathlib.Path], mmdb: pathlib.Path, *more: str) -> engine.Lake:
    """What the native engine makes of it on local disks."""
    plain = engine.Lake(folder / "plain")
    plain.ledger = plain.run(inputs, mmdb, *more).ledger
    return plain


def equal(lake: Lake, plain: engine.Lake, env: dict[str, str] | None = None) -> None:
    """By `weir verify`, rejects too."""
    location = plain.location("events").removeprefix("file://")
    done = lake.weir("verify", "web.events", location, env=env or {})
    assert done.code == 0, done.out + done.err


def test_all_kinds_of_input(lake, stack, server, mmdb, pieces, tmp_path):
    """Tables and input on S3; the secret is nowhere, while it runs and afterwards."""
    plain = native(tmp_path, sorted(pieces.iterdir()), mmdb)
    where, secret = put(server, pieces, f"{stack}-all"), server.keys[1]
    seen = []

    def rule(method: str, path: str, number: int) -> None:
        if number % 4 != 1:
            return
        places = [*pathlib.Path("/proc").glob("[0-9]*/cmdline"), *tmp_path.rglob("*.json*")]  # of the job
        for place in places:
            try:
                seen.append((secret.encode() in place.read_bytes(), place.name))
            except OSError:
                continue

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint, "TMPDIR": str(tmp_path)}
        done = lake.weir("run", "--json", "--stack", stack, where, env=env)
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    assert {"cmdline", "job.json", "events.jsonl"} <= {name for _, name in seen}
    assert not any(found for found, _ in seen)
    assert lake.location("events").startswith(f"s3://{BUCKET}/{lake.prefix}/")
    assert lake.no_uploads()
    lake.needs_httpfs()
    equal(lake, plain)
    assert secret not in done.out + done.err
    for key in lake.objects():
        assert secret.encode() not in server.client().get(BUCKET, key)


def test_appended_to_what_native_made(lake, stack, mmdb, data, tmp_path):
    """Local input, the catalog in PostgreSQL."""
    if not postgres.programs():
        pytest.skip(postgres.MISSING)
    parquet = sorted((data / "parquet").glob("*.parquet"))
    plain = native(tmp_path, [data / "csv/events.csv"], mmdb)
    plain.run(parquet, mmdb, "--mode", "append")
    with postgres.temporary() as catalog:
        env = {**catalog.env, "WEIR_CATALOG": catalog.uri()}
        assert lake.weir("run", "--json", data / "csv/events.csv", env=env).code == 0
        done = lake.weir("run", "--json", "--mode", "append", "--stack", stack, *parquet, env=env)
        assert done.code == 0, done.err
        lake.needs_httpfs()
        equal(lake, plain, env)


def test_loose(lake, stack, server, mmdb, pieces, tmp_path):
    """`strict: false` is each stack's own way: the same from S3 as from a disk. Tables on a disk."""
    plain = engine.Lake(tmp_path / "plain")
    pipeline = tmp_path / "pipeline.json"
    pipeline.write_text(json.dumps({"input": {"csv": {"strict": False}}}))
    names = ["a.csv", "b.csv.gz", "c.csv.zst"]
    run = ("--json", "--stack", stack, "--pipeline", pipeline)
    expected = plain.run([pieces / n for n in names], mmdb, *run)
    where = put(server, pieces, f"{stack}-loose [*]")
    done = lake.weir("run", *run, *(where + n for n in names), env={"WEIR_WAREHOUSE": ""})
    assert done.code == 0, done.err
    assert same(done.ledger, expected.ledger)
    for table, bag in (("events", engine.bag), ("rejects", engine.bag_of_rejects)):
        mine, other = engine.read_table(lake.location(table)), plain.read(table)
        assert bag(mine.rows) == bag(other.rows)


@pytest.mark.parametrize("case", ERRORS)
def test_errors(lake, stack, server, data, case):
    """A line that says what, where and what to do, before weir's of how it ended; no key in it; nothing left."""
    env, verdict, code, text = ERRORS[case]
    text = {"clock": "set it (NTP)"}.get(case, text)
    with Proxy(server.port, lambda m, p, n: verdict) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint, **env}
        done = lake.weir("run", "--json", "--stack", stack, data / "csv/events.csv", env=env)
    assert done.code == code, done.err
    assert text in done.err and done.err.count("\n") == 2, done.err
    assert server.keys[1] not in done.err
    assert lake.state() == {"events": None, "rejects": None} and not lake.objects()


def test_input_changed(lake, stack, server, large):
    """Replaced while it is read: an error, never a mixture."""
    client, text, reads = server.client(), large.read_bytes(), []
    client.put(BUCKET, f"{stack}-changing/day.csv", text)

    def rule(method: str, path: str, number: int) -> None:
        reads.append(method == "GET" and path.endswith("day.csv"))
        if reads[-1] and sum(reads) == 8:
            client.put(BUCKET, f"{stack}-changing/day.csv", text[: len(text) // 2])

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint}
        done = lake.weir(
            "run", "--json", "--stack", stack, f"s3://{BUCKET}/{stack}-changing/day.csv", env=env
        )
    assert done.code == 3, done.err
    assert "changed while it was read" in done.err
    assert lake.state() == {"events": None, "rejects": None} and not lake.objects("/data/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(lake, stack, server, large, number):
    """While an upload is made: no part and no object of it stays."""
    process: list[subprocess.Popen] = []
    told: list[float] = []

    def interrupt() -> None:
        told.append(time.monotonic())
        process[0].send_signal(number)
        time.sleep(0.5)

    def rule(method: str, path: str, number: int):
        return interrupt if method == "PUT" and "/data/" in path else None

    with Proxy(server.port, rule) as proxy:
        env = {**lake.env, "WEIR_LAKE": str(lake.path), "WEIR_S3_ENDPOINT": proxy.endpoint}
        process.append(
            subprocess.Popen(
                [str(engine.BINARY), "run", "--json", "--stack", stack, str(large)],
                env=engine.clean_env(env),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        _, err = process[0].communicate(timeout=engine.TIMEOUT + 30)
    assert told and time.monotonic() - told[0] < 20
    assert process[0].returncode == 130, err
    assert lake.state() == {"events": None, "rejects": None}
    assert not lake.objects("/data/") and lake.no_uploads()


def virtual(proxy: Proxy) -> dict[str, str]:
    """MinIO answers to bucket.localhost (MINIO_DOMAIN), which is the loopback."""
    return {"WEIR_S3_ENDPOINT": proxy.endpoint.replace("127.0.0.1", "localhost"), "WEIR_S3_STYLE": "virtual"}


def test_refused_completion(lake, stack, server, large):
    """An upload that cannot be completed is aborted; by virtual hosts, as with AWS."""

    def rule(method: str, path: str, number: int):
        return ("answer", 403, "AccessDenied") if method == "POST" and "uploadId=" in path else None

    with Proxy(server.port, rule) as proxy:
        done = lake.weir("run", "--json", "--stack", stack, large, env=virtual(proxy))
    assert any("partNumber=" in path for _, path in proxy.seen), "no multipart upload was made"
    assert not any(path.startswith(f"/{BUCKET}") for _, path in proxy.seen)
    assert done.code == 3 and "denies access" in done.err, done.err
    assert lake.state() == {"events": None, "rejects": None}
    assert not lake.objects("/data/") and lake.no_uploads()


def test_virtual_hosts(lake, stack, server, data):
    with Proxy(server.port) as proxy:
        done = lake.weir("run", "--json", "--stack", stack, data / "csv/events.csv", env=virtual(proxy))
    assert done.code == 0, done.err
    assert lake.objects("/data/")
    assert not any(path.startswith(f"/{BUCKET}") for _, path in proxy.seen)


def lose_completion(method: str, path: str, number: int) -> str | None:
    """Each upload's, until it is asked for again."""
    if method != "POST" or "uploadId=" not in path or path in LOST:
        return None
    LOST.append(path)
    return "lose"


LOST: list[str] = []
HARM = {**{name: FAULTS[name] for name in ("slow down", "cut")}, "lost completion": lose_completion}


@pytest.mark.parametrize("fault", HARM)
def test_faults_are_survived(lake, stack, server, mmdb, large, tmp_path, fault):
    plain = native(tmp_path, [large], mmdb)
    server.client().put(BUCKET, f"{stack}-faults/day.csv", large.read_bytes())
    where = f"s3://{BUCKET}/{stack}-faults/day.csv"
    with Proxy(server.port, HARM[fault]) as proxy:
        done = lake.weir("run", "--json", "--stack", stack, where, env={"WEIR_S3_ENDPOINT": proxy.endpoint})
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)
    assert lake.no_uploads()


def test_server_started_anew(lake, stack, server, mmdb, large, tmp_path):
    """Killed in the middle: it is waited for."""
    plain = native(tmp_path, [large], mmdb)
    server.client().put(BUCKET, f"{stack}-anew/day.csv", large.read_bytes())
    kills = []

    def rule(method: str, path: str, number: int) -> None:
        if (method, len(kills)) in (("GET", 0), ("PUT", 1)) and "day" in path:
            kills.append(path)
            server.kill()
            server.start()

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint}
        done = lake.weir("run", "--json", "--stack", stack, f"s3://{BUCKET}/{stack}-anew/day.csv", env=env)
    assert len(kills) == 2
    assert done.code == 0, done.err
    assert same(done.ledger, plain.ledger)


def test_temporary_credentials(lake, any_stack, server, mmdb, data, tmp_path):
    """A session's token, of which no rest is anywhere; without it the keys are nobody's."""
    credentials = server.client().assume_role()
    where = put(server, data / "csv", f"{any_stack}-token")
    done = lake.weir("run", "--json", "--stack", any_stack, where, env=credentials)
    assert done.code == 0, done.err
    plain = native(tmp_path, [data / "csv/events.csv"], mmdb)
    assert same(done.ledger, plain.ledger)
    lake.needs_httpfs()
    equal(lake, plain, credentials)
    for key in lake.objects():
        text = server.client().get(BUCKET, key)
        assert not any(secret.encode() in text for secret in credentials.values())
    wrong = {**credentials, "AWS_SESSION_TOKEN": ""}
    done = lake.weir("run", "--json", "--stack", any_stack, data / "csv/events.csv", env=wrong)
    assert done.code == 3 and "check AWS_" in done.err, done.err


def test_tls(tls_server, any_stack, mmdb, data, tmp_path):
    """Trusted by AWS_CA_BUNDLE, and not without it."""
    lake = Lake(tmp_path, tls_server, mmdb)
    where = put(tls_server, data / "csv", f"{any_stack}-tls")
    done = lake.weir(
        "run", "--json", "--stack", any_stack, data / "csv/events.csv", env={"AWS_CA_BUNDLE": ""}
    )
    assert done.code in (3, 4) and "certificate" in done.err and "AWS_CA_BUNDLE" in done.err, done.err
    assert not lake.objects()
    done = lake.weir("run", "--json", "--stack", any_stack, where)
    assert done.code == 0, done.err
    plain = native(tmp_path, [data / "csv/events.csv"], mmdb)
    assert same(done.ledger, plain.ledger)
    lake.needs_httpfs()
    equal(lake, plain)
