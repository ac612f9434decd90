"""compose.yaml by its text: nothing is published beyond this machine, nothing starts without credentials, no secret in a file.
What compose itself makes of it is tested where compose is."""

from __future__ import annotations

import json
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
    for name in ("scripts/containers", "scripts/dot_env.py", "compose.yaml", ".env.example"):
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


def chosen(clone, **values: str) -> None:
    """An .env with these lines, the rest of its credentials harmless."""
    lines = {name: "chosen-one" for name in SECRETS} | values
    text = (clone / ".env.example").read_text()
    text = re.sub(r"^(\w+)=.*", lambda m: f"{m[1]}={lines.pop(m[1], 'weir')}", text, flags=re.M)
    (clone / ".env").write_text(text + "".join(f"{name}={value}\n" for name, value in lines.items()))


def test_empty_credentials_are_named_at_once(clone):
    shutil.copy(clone / ".env.example", clone / ".env")
    done = containers(clone, "up", DOCKER="true")
    assert done.returncode == 1
    assert f"{', '.join(SECRETS)}: not set in .env; choose" in done.stderr


# What Compose, the shell and a URI would make different things of.
@pytest.mark.parametrize(
    "value", ["a$b", "a b", "a#b'c", "'a'b'", '"a$b"', "a\\b", "a`id`", "a;id", "long-enough\r"]
)
def test_a_value_that_is_not_the_same_to_all_is_refused_unseen(clone, value):
    chosen(clone, MINIO_ROOT_PASSWORD=value)
    done = containers(clone, "up", DOCKER="true")
    assert done.returncode == 1
    assert ".env, line " in done.stderr and value not in done.stderr


@pytest.mark.parametrize(
    "name, value",
    [
        ("POSTGRES_USER", "a@b"),
        ("POSTGRES_DB", "a/b"),
        ("WAREHOUSE_BUCKET", "A"),
        ("MINIO_ROOT_PASSWORD", "short"),
    ],
)
def test_a_value_that_a_service_or_uri_cannot_take_is_refused(clone, name, value):
    chosen(clone, **{name: value})
    done = containers(clone, "up", DOCKER="true")
    assert done.returncode == 1
    assert f".env: {name} has to be" in done.stderr


def test_odd_passwords_are_the_same_to_shell_compose_and_scripts(clone):
    password = """p$a"s#s @/:%&;`!x"""
    chosen(clone, POSTGRES_PASSWORD=f"'{password}'")
    shell = subprocess.run(
        ["sh", "-c", '. ./.env; printf %s "$POSTGRES_PASSWORD"'], cwd=clone, capture_output=True, text=True
    )
    assert shell.stdout == password
    script = subprocess.run(
        ["sh", "-c", 'eval "$(python3 scripts/dot_env.py)"; printf %s "$POSTGRES_PASSWORD"'],
        cwd=clone,
        capture_output=True,
        text=True,
    )
    assert script.stdout == password, script.stderr
    done = compose(clone, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert seen.replace("$$", "$") == password


def test_the_environment_wins_and_folders_of_dot_env_count(clone):
    chosen(clone, WEIR_DATA_DIR=str(clone / "elsewhere"))
    # An engine that shows what Compose would be given.
    engine = clone / "engine"
    engine.write_text('#!/bin/sh\n[ "$2" != up ] || echo "$WEIR_DATA_DIR $POSTGRES_USER"\n')
    engine.chmod(0o755)
    done = containers(clone, "up", DOCKER=str(engine), POSTGRES_USER="other")
    assert f"{clone}/elsewhere other" in done.stdout, done.stderr


def test_what_runs_can_be_ended_without_dot_env(clone):
    assert containers(clone, "down", DOCKER="true").returncode == 0


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


ENGINE = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
"compose ps --quiet") {before} ;;
"compose up "*) echo "port is already allocated" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("before", ["", "echo 1234"])
def test_services_that_cannot_start_leave_none_but_those_that_ran(clone, before):
    chosen(clone)
    engine, log = clone / "engine", clone / "log"
    engine.write_text(ENGINE.format(log=log, before=before or ":"))
    engine.chmod(0o755)
    done = containers(clone, "up", DOCKER=str(engine))
    assert done.returncode == 1
    assert "already allocated" in done.stderr and "the services did not start" in done.stderr
    assert ("compose down" in log.read_text().split("\n")) == (not before)


def test_a_run_without_its_image_or_services_says_so(tmp_path):
    engine = tmp_path / "engine"
    engine.write_text(
        '#!/bin/sh\n[ "$*" != "$REFUSED" ] || { echo "No such thing" >&2; exit 1; }\n[ "$1" != run ]\n'
    )
    engine.chmod(0o755)
    for name in ("clicks.csv", "country.mmdb"):
        (tmp_path / name).write_text("")
    command = [ROOT / "scripts/container_run", "native", "--lake", tmp_path / "lake"]
    command += ["--mmdb", tmp_path / "country.mmdb", tmp_path / "clicks.csv"]
    env = {**os.environ, **{name: "chosen-one" for name in SECRETS}, "DOCKER": str(engine)}
    done = subprocess.run(
        command, env={**env, "REFUSED": "image inspect weir-native"}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no image weir-native here; make docker-build-native" in done.stderr
    assert not (tmp_path / "lake").exists()
    (tmp_path / "file").write_text("")
    command[3] = tmp_path / "file/lake"
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f'container_run: --lake: "{tmp_path}/file/lake" cannot be made or read')
