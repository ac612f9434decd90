"""Tables and input on S3: a real MinIO, alone and behind a proxy that does harm."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from tools import clicks, engine
from tools.minio import BUCKET
from tools.proxy import Proxy

from s3.lake import Lake, arrow, local_rows, same


@pytest.fixture
def lake(tmp_path, server, mmdb) -> Lake:
    return Lake(tmp_path, server, mmdb)


def test_tables(lake, server, mmdb, data, tmp_path):
    """Written, read by PyIceberg, listed, queried, compared with the local run; and cleaned."""
    file = data / "csv/events.csv"
    expected = local_rows(tmp_path / "plain", [file], mmdb)
    done = lake.weir("run", "--json", file)
    assert done.code == 0, done.err
    assert done.err == ""
    assert same(done.ledger, expected)
    for table, count in (("events", expected["rows_out"]), ("rejects", sum(expected["rejected"].values()))):
        assert arrow(lake, table, server).num_rows == count
        assert lake.location(table).startswith(f"s3://{BUCKET}/{lake.prefix}/web/{table}/metadata/")
    again = lake.weir("run", "--json", "--mode", "append", file)
    assert again.code == 0, again.err
    assert arrow(lake, "events", server).num_rows == 2 * expected["rows_out"]

    listed = json.loads(lake.weir("table", "list", "--json").out)
    assert "web.events" in json.dumps(listed)
    assert lake.weir("table", "history", "web.events").code == 0
    files = lake.weir("table", "files", "web.events")
    assert files.code == 0 and f"s3://{BUCKET}/{lake.prefix}/web/events/data/" in files.out

    server.client().put(BUCKET, f"{lake.prefix}/web/events/data/left-over.parquet", b"x")
    before = lake.objects()
    cleaned = lake.weir("table", "clean", "--older-than", "0s")
    assert cleaned.code == 0, cleaned.err
    assert set(before) - set(lake.objects()) == {f"{lake.prefix}/web/events/data/left-over.parquet"}
    assert arrow(lake, "events", server).num_rows == 2 * expected["rows_out"]


def test_sql_and_verify(lake, server, mmdb, data, tmp_path):
    file = data / "csv/events.csv"
    plain = engine.Lake(tmp_path / "plain")
    expected = plain.run([file], mmdb).ledger
    assert lake.weir("run", "--json", file).code == 0
    lake.needs_httpfs()
    done = lake.weir("sql", "--json", "select count(*) as n from events")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == [{"n": expected["rows_out"]}], "nothing but the answer"
    for a, b in (("web.events", plain.location("events")), (plain.location("events"), "web.events")):
        verified = lake.weir("verify", *(n.removeprefix("file://") for n in (a, b)))
        assert verified.code == 0, verified.out + verified.err
    secret = server.keys[1]
    wrong = lake.weir("sql", "--json", "select * from events", env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert wrong.code == 3 and secret not in wrong.err and "AWS_SECRET_ACCESS_KEY" in wrong.err


def test_postgres_catalog(lake, mmdb, data):
    from tools import postgres

    if not postgres.programs():
        pytest.skip(postgres.MISSING)
    with postgres.temporary() as catalog:
        env = {**catalog.env, "WEIR_CATALOG": catalog.uri()}
        done = lake.weir("run", "--json", data / "csv/events.csv", env=env)
        assert done.code == 0, done.err
        assert json.loads(lake.weir("table", "list", "--json", env=env).out)
        location = catalog.sql("select metadata_location from iceberg_tables where table_name = 'events'")
        assert location[0][0].startswith(f"s3://{BUCKET}/{lake.prefix}/")


@pytest.mark.parametrize("scans", ["one", "two"])
@pytest.mark.parametrize("kind", ["csv", "gz", "zst", "parquet", "folder", "glob"])
def test_input(lake, server, mmdb, data, tmp_path, kind, scans):
    env = {"WEIR_WAREHOUSE": "", **({"WEIR_TWO_SCANS": "1"} if scans == "two" else {})}
    client, prefix = server.client(), f"in-{kind}-{scans}"
    text = (data / "csv/events.csv").read_bytes()
    local = [data / "csv/events.csv"]
    put = {"events.csv": text}
    if kind == "gz":
        put = {"events.csv.gz": gzip.compress(text)}
    elif kind == "zst":
        packed = subprocess.run(["zstd", "-qc"], input=text, capture_output=True, check=False)
        if packed.returncode:
            pytest.skip("the command zstd is not installed")
        put = {"events.csv.zst": packed.stdout}
    elif kind == "parquet":
        local = sorted((data / "parquet").glob("*.parquet"))
        put = {p.name: p.read_bytes() for p in local}
    elif kind in ("folder", "glob"):
        put |= {"notes.txt": b"no data", "deeper/events.csv": b"not meant\n"}
    for name, body in put.items():
        client.put(BUCKET, f"{prefix}/{name}", body)
    where = f"s3://{BUCKET}/{prefix}"
    given = {"parquet": where, "folder": where + "/", "glob": where + "/*.csv"}
    operand = given.get(kind) or f"{where}/{next(iter(put))}"
    done = lake.weir("run", "--json", operand, env=env)
    assert done.code == 0, done.err
    assert same(done.ledger, local_rows(tmp_path / "plain", local, mmdb))
    read = engine.read_table(lake.location("events")), engine.read_table(
        engine.Lake(tmp_path / "plain").location("events")
    )
    assert engine.bag(read[0].rows) == engine.bag(read[1].rows)


def test_input_changed(lake, server, large):
    """Replaced while it is read: an error, never a mixture."""
    client, text = server.client(), large.read_bytes()
    client.put(BUCKET, "changing/day.csv", text)

    def rule(method: str, path: str, number: int) -> None:
        if method == "GET" and number == 8:
            client.put(BUCKET, "changing/day.csv", text[: len(text) // 2])

    with Proxy(server.port, rule) as proxy:
        env = {"WEIR_WAREHOUSE": "", "WEIR_S3_ENDPOINT": proxy.endpoint}
        done = lake.weir("run", "--json", f"s3://{BUCKET}/changing/day.csv", env=env)
    assert done.code == 3, done.err
    assert "changed while it was read" in done.err
    assert lake.state() == {"events": None, "rejects": None}


def test_nothing_is_fetched_in_vain(lake, server, large):
    """Blocks of 2 MiB, most once, though the run looks at many places before it begins to read."""
    server.client().put(BUCKET, "once/day.csv", large.read_bytes())
    blocks = -(-large.stat().st_size // (2 << 20))
    with Proxy(server.port) as proxy:
        env = {"WEIR_WAREHOUSE": "", "WEIR_S3_ENDPOINT": proxy.endpoint}
        done = lake.weir("run", "--json", f"s3://{BUCKET}/once/day.csv", env=env)
    assert done.code == 0, done.err
    fetched = sum(method == "GET" and path.endswith("/once/day.csv") for method, path in proxy.seen)
    # Room is for 20 of 27: some that were looked at make way, so that more are on their way at a time.
    assert blocks <= fetched <= blocks + blocks // 3


def test_many_days_at_once(lake, server, mmdb, tmp_path):
    """Of each a little at a time, in little memory: as long as all of it fits, a day's file takes all that comes."""
    days = 600
    file = clicks.write(tmp_path / "days.csv", 15_000, days=days, shuffled=True)
    done = lake.weir("run", "--json", "--memory", "96MB", "--threads", "2", file)
    assert done.code == 0, done.err
    assert len(lake.objects("/events/data/")) == days
    assert same(done.ledger, local_rows(tmp_path / "plain", [file], mmdb))
    assert arrow(lake, "events", server).num_rows == done.ledger["rows_out"]


def test_parts_are_equal(lake, server, large):
    """But for the last: some services take no others."""
    done = lake.weir("run", "--json", large)
    assert done.code == 0, done.err
    key, size = max(lake.objects("/events/data/").items(), key=lambda item: item[1])
    parts = []
    while sum(parts) < size:
        number = {"partNumber": str(len(parts) + 1)}
        status, body = server.client().call("GET", f"/{BUCKET}/{key}", number)
        assert status == 206
        parts.append(len(body))
    assert len(parts) > 1 and set(parts[:-1]) == {8 << 20} and 0 < parts[-1] <= 8 << 20


FAULTS = {
    "slow down": lambda m, p, n: ("answer", 503, "SlowDown") if n % 3 == 2 else None,
    "cut": lambda m, p, n: "cut" if n % 4 == 2 else None,
    "lost answers": lambda m, p, n: "lose" if n % 4 == 2 else None,
    "lost completion": lambda m, p, n: "lose" if m == "POST" and n % 2 else None,
    "20 ms": lambda m, p, n: 0.02,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_survived(lake, server, mmdb, large, tmp_path, fault):
    expected = local_rows(tmp_path / "plain", [large], mmdb)
    server.client().put(BUCKET, "large/day.csv", large.read_bytes())
    with Proxy(server.port, FAULTS[fault]) as proxy:
        done = lake.weir(
            "run", "--json", f"s3://{BUCKET}/large/day.csv", env={"WEIR_S3_ENDPOINT": proxy.endpoint}
        )
    assert done.code == 0, done.err
    assert same(done.ledger, expected)
    assert any("partNumber=2" in path for _, path in proxy.seen), "no multipart upload was made"
    table = arrow(lake, "events", server)
    assert table.num_rows == expected["rows_out"]
    assert len(set(table.column("event_id").to_pylist())) == table.num_rows
    assert lake.no_uploads()


ERRORS = {
    "wrong key": ({"AWS_ACCESS_KEY_ID": "AKIDNOBODY"}, None, 3, "does not know the access key"),
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong"}, None, 3, "check AWS_SECRET_ACCESS_KEY"),
    "no keys": ({"AWS_ACCESS_KEY_ID": ""}, None, 3, "set AWS_ACCESS_KEY_ID and"),
    "session token": ({"AWS_SESSION_TOKEN": "made-up"}, None, 3, "check AWS_SESSION_TOKEN"),
    "no bucket": ({"WEIR_WAREHOUSE": "s3://nobody-has-it/x"}, None, 3, 'there is no bucket "nobody-has-it"'),
    "no such name": ({"WEIR_WAREHOUSE": "s3://x/y"}, None, 3, "write s3://bucket/prefix"),
    "refused": ({"WEIR_S3_ENDPOINT": "http://127.0.0.1:1"}, None, 4, "http://127.0.0.1:1 cannot be reached"),
    "endpoint": ({"WEIR_S3_ENDPOINT": "127.0.0.1:9000"}, None, 3, "write http://host:port"),
    "expired": ({}, ("answer", 400, "ExpiredToken"), 3, "the credentials have expired"),
    "clock": ({}, ("answer", 403, "RequestTimeTooSkewed"), 3, "s ahead of the server's; set it (NTP)"),
    "region": ({}, ("answer", 301, "PermanentRedirect"), 3, "set AWS_REGION"),
    "rights": ({}, ("answer", 403, "AccessDenied"), 3, "check the keys and their rights"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(lake, server, data, case):
    """One line that says what, where and what to do; no key in it; nothing left."""
    env, verdict, code, text = ERRORS[case]
    with Proxy(server.port, lambda m, p, n: verdict) as proxy:
        env = {"WEIR_S3_ENDPOINT": proxy.endpoint, **env}
        done = lake.weir("run", "--json", data / "csv/events.csv", env=env)
    assert done.code == code, done.err
    assert text in done.err and done.err.count("\n") == 1, done.err
    assert server.keys[1] not in done.err
    assert not lake.catalog.exists() and not lake.objects()


def start(lake: Lake, endpoint: str, *args: os.PathLike) -> subprocess.Popen:
    env = engine.clean_env({**lake.env, "WEIR_LAKE": str(lake.path), "WEIR_S3_ENDPOINT": endpoint})
    command = [str(engine.BINARY), "run", "--json", *map(str, args)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("when", ["create", "part", "complete"])
def test_interrupt(lake, server, large, when):
    """Ctrl-C while a multipart upload is made, sent and completed: it is aborted, and no object stays."""
    signs = {"create": "?uploads=", "part": "partNumber=2", "complete": "POST uploadId="}
    process: list[subprocess.Popen] = []

    def interrupt() -> None:
        process[0].send_signal(signal.SIGINT)
        time.sleep(1.5)

    def rule(method: str, path: str, number: int):
        wanted = signs[when].split(" ")
        return interrupt if wanted[-1] in path and (len(wanted) == 1 or method == wanted[0]) else None

    with Proxy(server.port, rule) as proxy:
        process.append(start(lake, proxy.endpoint, large))
        begun = time.monotonic()
        _, err = process[0].communicate(timeout=60)
        assert time.monotonic() - begun < 30
        assert process[0].returncode == 130, err
        assert "interrupted" in err and err.count("\n") == 1, err
    assert lake.state() == {"events": None, "rejects": None}
    assert not lake.objects("/data/") and lake.no_uploads()


@pytest.fixture(scope="module")
def late(large, tmp_path_factory) -> pathlib.Path:
    """In order of time but for its last event, which comes to what was settled: the run begins anew at the end."""
    file = tmp_path_factory.mktemp("late") / "day.csv"
    header, first, *rest = large.read_text().splitlines(keepends=True)
    late = first.replace(first.split(",")[0], "late", 1)
    file.write_text("".join([header, first, *rest, late]))
    return file


def test_failed_after_it_began_anew(lake, server, late):
    """What the first pass left is removed, and, longer than a run that was told to end would have for it, what
    the second one left, too."""
    begun: list[str] = []  # multipart uploads

    def rule(method: str, path: str, number: int):
        if path.endswith("?uploads="):
            begun.append(path)
            if len(begun) == 2:
                time.sleep(7)
        return ("answer", 403, "AccessDenied") if method == "PUT" and len(begun) == 2 else None

    with Proxy(server.port, rule) as proxy:
        done = lake.weir("run", "--json", late, env={"WEIR_S3_ENDPOINT": proxy.endpoint})
    assert done.code == 3 and "check the keys and their rights" in done.err, done.err
    assert len(begun) == 2, "it did not begin anew"
    assert not lake.objects() and lake.no_uploads()


@pytest.mark.parametrize("back", [True, False])
@pytest.mark.parametrize("moment", [2, 4, 6, 8, 11])
def test_server_killed(lake, server, mmdb, large, tmp_path, moment, back):
    """Killed in the middle; started anew, the run succeeds, else it says so and the next one succeeds."""
    expected = local_rows(tmp_path / "plain", [large], mmdb)
    killed: list[int] = []

    def rule(method: str, path: str, number: int) -> None:
        if number == moment:
            server.kill()
            killed.append(number)
            if back:
                server.start()

    try:
        with Proxy(server.port, rule) as proxy:
            env = {"WEIR_S3_ENDPOINT": proxy.endpoint}
            done = lake.weir("run", "--json", "--run-id", "one", large, env=env, timeout=120)
    finally:
        if killed and not back:
            server.start()
    assert killed, f"it took only {len(proxy.seen)} requests"
    if back:
        assert done.code == 0, done.err
    else:
        assert done.code == 4 and done.err.count("\n") == 1, done.err
        assert "s3://" in done.err
    again = lake.weir("run", "--json", "--run-id", "one", large)
    assert again.code == 0, again.err
    assert arrow(lake, "events", server).num_rows == expected["rows_out"]


def test_virtual_hosts(lake, server, data):
    """MinIO answers to bucket.localhost (MINIO_DOMAIN), which is the loopback."""
    env = {"WEIR_S3_ENDPOINT": f"http://localhost:{server.port}", "WEIR_S3_STYLE": "virtual"}
    done = lake.weir("run", "--json", data / "csv/events.csv", env=env)
    assert done.code == 0, done.err
    assert lake.objects("/data/")


def test_keys_are_nowhere(lake, server, data):
    """Neither in the process list, nor in a file, nor in what is printed."""
    secret = server.keys[1]
    seen = []

    def rule(method: str, path: str, number: int) -> float:
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(secret.encode() in command.read_bytes())
            except OSError:
                continue
        assert secret not in path
        return 0.0

    with Proxy(server.port, rule) as proxy:
        done = lake.weir("run", data / "csv/events.csv", env={"WEIR_S3_ENDPOINT": proxy.endpoint})
    assert done.code == 0 and seen and not any(seen)
    assert secret not in done.out + done.err
    for path in lake.path.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()
    for key in lake.objects():
        assert secret.encode() not in server.client().get(BUCKET, key)


def test_stack_without_s3(lake, data, tmp_path):
    folder = tmp_path / "stacks/local"
    folder.mkdir(parents=True)
    for name in ("run", "setup"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    (folder / "stack.yaml").write_text(
        'name: local\ntitle: Local\nurl: https://example.org\nmade_by: others\nversions: ["true"]\n'
        'backends: [process]\nfeatures: [csv]\ncolour: "#0072B2"\nvariants: {}\n'
    )
    env = {"WEIR_STACKS": str(folder.parent)}
    done = lake.weir("run", "--stack", "local", data / "csv/events.csv", env=env)
    assert done.code == 3 and "the stack local does not read or write S3" in done.err
