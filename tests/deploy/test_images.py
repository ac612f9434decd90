"""Each stack's image does what the stack does here, as a user without rights, and holds no secret."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import time

import pytest
from tools.engine import BINARY, ROOT

DOCKER = os.environ.get("DOCKER", "docker")
RUN = ROOT / "scripts/container_run"


def docker(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DOCKER, *args], capture_output=True, text=True, timeout=60)


@functools.cache
def missing(image: str) -> str:
    try:
        engine = docker("version", "--format", "{{.Server.Version}}")
    except (FileNotFoundError, subprocess.TimeoutExpired) as e:
        return f"no Docker engine: {e}"
    if engine.returncode:
        return "no Docker engine answers"
    return "" if not docker("image", "inspect", image).returncode else f"no image {image}: make docker-build"


@pytest.fixture(params=["native", "native-scratch", "pythonic", "spark"])
def image(request):
    if why := missing(f"weir-{request.param}"):
        pytest.skip(why)
    return request.param


def metadata(result: dict, table: str) -> str:
    return re.sub("^file:/+", "/", result["tables"][table]["metadata_location"])


def test_same_result_as_here(image, tmp_path):
    run = functools.partial(subprocess.run, check=True, stdout=subprocess.PIPE, timeout=600)
    run([BINARY, "gen", "--rows", "20000", "--dirt", "much", "--out", tmp_path / "data"])
    inputs = tmp_path / "data/events.csv"
    here = json.loads(run([BINARY, "run", "--json", "--lake", tmp_path / "here", inputs]).stdout)
    lake = tmp_path / "there"
    there = json.loads(run([RUN, image, "--lake", lake, inputs]).stdout)
    tables = [metadata(r, t) for t in ("events", "rejects") for r in (here, there)]
    run([BINARY, "verify", "--lake", tmp_path / "here", "--rejects", *tables[2:], *tables[:2]])
    assert there["seen"]["cpus"] == 2
    written = [p for p in lake.rglob("*") if p.is_file()]
    assert written
    assert {p.stat().st_uid for p in written} == {lake.stat().st_uid} == {os.getuid() or 10001}


def test_versions_are_told_where_weir_bench_asks(image):
    if image == "native-scratch":
        return  # it has no shell, and so no `run`
    entry = json.loads(docker("image", "inspect", f"weir-{image}").stdout)[0]["Config"]["Entrypoint"]
    done = docker(
        "run", "--rm", "--network", "none", "--entrypoint", entry[-1], f"weir-{image}", "--versions"
    )
    assert json.loads(done.stdout), done.stderr


def test_no_root_no_secret_no_tools(image):
    described = json.loads(docker("image", "inspect", f"weir-{image}").stdout)[0]
    assert described["Config"]["User"] not in ("", "0", "root", "0:0")
    assert described["Config"]["Labels"]["org.opencontainers.image.title"] == f"weir-{image}"
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", f"weir-{image}").stdout
    secret = re.compile("password|secret|token|aws_|://[^/ ]*@", re.I)
    assert not secret.search(history) and not secret.search("\n".join(described["Config"]["Env"]))
    if image == "native-scratch":
        return
    looking = "for t in gcc make git pip pip3 mvn uv; do command -v $t; done; ls /var/lib/apt/lists; find / -xdev -name .env -type f"
    found = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", f"weir-{image}", "-c", looking)
    assert found.stdout.strip() == ""
    reached = docker(
        "run", "--rm", "--network", "none", "--entrypoint", "test", f"weir-{image}", "-x", "/root"
    )
    assert reached.returncode == 0, "what root mounts from its home cannot be read"


def test_interrupted_leaves_no_container(image, tmp_path):
    if image != "native":
        pytest.skip("the same for all: tried with native")
    before = docker("ps", "--all", "--quiet").stdout
    subprocess.run([BINARY, "gen", "--rows", "3000000", "--out", tmp_path / "data"], check=True, timeout=60)
    process = subprocess.Popen(
        [RUN, image, "--lake", tmp_path / "lake", tmp_path / "data/events.csv", "--cpus", "0.1"]
    )
    deadline = time.monotonic() + 30
    while docker("ps", "--quiet").stdout == before and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert docker("ps", "--all", "--quiet").stdout == before


def test_what_images_are_made_from_leaves_secrets_out():
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines and "**/.env" in lines
    assert not [line for line in lines if line.startswith("!") and ".env" in line]
