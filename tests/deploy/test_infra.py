"""make infra: the services as processes of this machine; on loopback only, with credentials for their owner alone."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time

import pytest
from tools import engine, minio, postgres
from tools.engine import ROOT
from tools.postgres import alive, command_line, free_port

PORTS = ("POSTGRES_PORT", "MINIO_PORT", "MINIO_CONSOLE_PORT")
SPARK_PORTS = ("SPARK_MASTER_PORT", "SPARK_UI_PORT", "SPARK_WORKER_UI_PORT")
# 127.0.0.1, ::1, and the first as the second kind, as /proc/net writes them.
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
SECRETS = ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def infra(folder: pathlib.Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if k not in (*PORTS, *SPARK_PORTS)}
    return subprocess.run(
        [ROOT / "scripts/infra", *args],
        env={**known, "WEIR_INFRA": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def free_ports(names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(free_port()) for name in names}


def environment(folder: pathlib.Path) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)='(.*)'$", (folder / "env").read_text(), re.M))


def processes(folder: pathlib.Path) -> list[int]:
    """All that were started from this folder."""
    pids = (int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit())
    return [pid for pid in pids if str(folder) in command_line(pid) and alive(pid)]


def listening(ports: set[int]) -> dict[int, set[str]]:
    """The addresses that are listened at, by port, as /proc/net has them."""
    found: dict[int, set[str]] = {}
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, port = local.rpartition(":")
            if state == "0A" and int(port, 16) in ports:
                found.setdefault(int(port, 16), set()).add(address)
    return found


def assert_loopback_only(ports: dict[str, str]) -> None:
    wanted = {int(p) for p in ports.values()}
    for _ in range(100):  # MinIO's console comes a moment after its API
        found = listening(wanted)
        if len(found) == len(wanted):
            break
        time.sleep(0.1)
    assert set(found) == wanted
    for addresses in found.values():
        assert addresses <= LOOPBACK


@pytest.fixture
def folder():
    for program, missing in ((minio.program, minio.MISSING), (postgres.programs, postgres.MISSING)):
        if not program():
            pytest.skip(missing)
    # Not below pytest's folder, which is for one user only: as root, PostgreSQL runs as another.
    shared = os.environ.get("WEIR_TEST_TMP", "/dev/shm")
    place = pathlib.Path(
        tempfile.mkdtemp(prefix="weir-infra-", dir=shared if os.access(shared, os.W_OK) else None)
    )
    place.chmod(0o755)
    yield place
    infra(place, "down")
    assert not processes(place)
    shutil.rmtree(place)


def test_a_run_ends_up_in_them_and_stays(folder, tmp_path):
    ports = free_ports(PORTS)
    started = infra(folder, "up", "postgres", "minio", **ports)
    assert started.returncode == 0, started.stderr
    env = environment(folder)
    assert stat.S_IMODE((folder / "env").stat().st_mode) == 0o600
    for secret in SECRETS:
        assert env[secret] and env[secret] not in started.stdout + started.stderr
        assert not any(env[secret] in command_line(pid) for pid in processes(folder))
        logs = [p.read_text(errors="replace") for p in folder.glob("*/log")]
        assert len(logs) == 2 and not any(env[secret] in log for log in logs)
    assert_loopback_only(ports)

    clicks = tmp_path / "clicks.csv"
    clicks.write_text(
        "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"
        "a,u,2024-05-01T00:00:00Z,/,,phone,192.0.2.1\n"
    )
    done = engine.weir("run", "--json", clicks, env={**env, "WEIR_MMDB": os.environ.get("WEIR_MMDB", "")})
    assert done.code == 0, done.err
    assert done.ledger["rows_out"] == 1

    before = env["PGPASSWORD"], env["AWS_SECRET_ACCESS_KEY"]
    assert infra(folder, "down").stdout == "postgres: ended\nminio: ended\n"
    assert not processes(folder) and not (folder / "env").exists()
    again = infra(folder, "up", "postgres", "minio", **free_ports(PORTS))
    assert again.returncode == 0, again.stderr
    env = environment(folder)
    assert (env["PGPASSWORD"], env["AWS_SECRET_ACCESS_KEY"]) == before
    listed = engine.weir("table", "list", "--json", env=env)
    assert listed.code == 0 and '"web.events"' in listed.out, listed.out + listed.err


def test_spark(folder):
    if not (ROOT / "stacks/spark/.jars").exists() or not shutil.which("java"):
        pytest.skip("the stack spark is not set up (scripts/setup --spark)")
    ports = free_ports(SPARK_PORTS)
    started = infra(folder, "up", "spark", **ports)
    assert started.returncode == 0, started.stderr
    assert environment(folder) == {"SPARK_MASTER_URL": f"spark://127.0.0.1:{ports['SPARK_MASTER_PORT']}"}
    assert_loopback_only(ports)


def test_a_port_that_is_taken_starts_nothing(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        ports = {**free_ports(PORTS), "MINIO_PORT": str(s.getsockname()[1])}
        started = infra(folder, "up", "postgres", "minio", **ports)
    assert started.returncode == 1
    assert f"port {ports['MINIO_PORT']} of 127.0.0.1 cannot be had" in started.stderr
    assert "set MINIO_PORT to another" in started.stderr
    assert not processes(folder)


def test_what_is_missing_is_named(folder):
    started = infra(folder, "up", "postgres", "minio", WEIR_MINIO="/no/such/program", **free_ports(PORTS))
    assert started.returncode == 1
    assert "infra: minio: MinIO is not installed" in started.stderr
    assert 'nothing was started; without these: make infra ONLY="postgres"' in started.stderr
    assert not processes(folder)


def test_an_unknown_service_is_named(tmp_path):
    started = infra(tmp_path / "none", "up", "postgres", "mino")
    assert started.returncode == 1
    assert started.stderr == "infra: mino: the services are postgres, minio, spark\n"
    assert not (tmp_path / "none").exists()
