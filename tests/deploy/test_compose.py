"""compose.yaml by its text: nothing is published beyond this machine, nothing starts without credentials, no secret in a file.
What compose itself makes of it is tested where compose is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import yaml
from tools.engine import ROOT

COMPOSE = ROOT / "compose.yaml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]
SECRETS = ("POSTGRES_PASSWORD", "MINIO_ROOT_PASSWORD", "JUPYTER_TOKEN")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.split("\n")


@pytest.fixture
def clone(tmp_path):
    """A tree of its own, whose .env is the test's."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/containers", "compose.yaml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def containers(clone, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if k not in SECRETS}
    return subprocess.run(
        [clone / "scripts/containers", *args],
        env={**known, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_service(name):
    service = SERVICES[name]
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)
    assert "network_mode" not in service and not service.get("privileged")
    assert service["security_opt"] == ["no-new-privileges:true"]
    for limit in ("mem_limit", "cpus", "pids_limit"):
        assert service[limit]
    assert name == "jupyter" or service["healthcheck"]["test"]  # jupyter's is in its image
    for needed in service.get("depends_on", {}).values():
        assert needed == {"condition": "service_healthy"}


def test_the_ports_of_requirements():
    published = {
        p for s in SERVICES.values() for port in s.get("ports", []) for p in re.findall(r":-(\d+)", port)
    }
    assert published == {"5432", "9000", "9001", "8080", "8889", "5000"}  # 5000: make docker-benchmark's


def test_no_default_for_a_secret():
    text = COMPOSE.read_text()
    for secret in SECRETS:
        first = re.search(rf"\$\{{{secret}\W.*", text)[0]
        assert first.startswith(f"${{{secret}:?"), first
        assert re.search(rf"^{secret}=$", (ROOT / ".env.example").read_text(), re.M)


def test_no_env_file_in_git():
    assert not [name for name in tracked() if re.search(r"(^|/)\.env$|(^|/)\.infra/", name)]
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", ".infra/env"], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout.split() == [".env", ".infra/env"]


def test_without_credentials_nothing_starts(clone):
    done = containers(clone, "up", DOCKER="true")  # an engine that says yes to everything
    assert done.returncode == 1
    assert "there is no .env: cp .env.example .env" in done.stderr


def test_without_an_engine_it_says_what_else_there_is(clone):
    (clone / ".env").write_text("")
    done = containers(clone, "up", DOCKER="no-such-command")
    assert done.returncode == 1
    assert "there is no no-such-command" in done.stderr and "make infra" in done.stderr


def compose(clone, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in os.environ.items() if k not in SECRETS}
    docker = os.environ.get("DOCKER", "docker")
    if (
        not shutil.which(docker)
        or subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    return subprocess.run(
        [docker, "compose", *args],
        cwd=clone,
        env={**known, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_compose_refuses_empty_credentials(clone):
    shutil.copy(clone / ".env.example", clone / ".env")
    done = compose(clone, "config")
    assert done.returncode != 0
    assert re.search(rf"({'|'.join(SECRETS)}).*copy .env.example to .env", done.stderr)


def test_compose_accepts_it(clone):
    text = (clone / ".env.example").read_text()
    (clone / ".env").write_text(re.sub(rf"^({'|'.join(SECRETS)})=$", r"\1=chosen-one", text, flags=re.M))
    done = compose(clone, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r'"host_ip": "([^"]*)"', done.stdout)) == {"127.0.0.1"}
