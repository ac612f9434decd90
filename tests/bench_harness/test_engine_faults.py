"""`weir bench --backend container` on an engine that lies, breaks off, or says nothing."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from tools import fake_engine
from tools.fake_engine import ID, says, silent


@pytest.fixture
def fake():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-fake-"))
    with fake_engine.serve(folder) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture
def world(bench, fake):
    bench.env["DOCKER_HOST"] = fake.host
    make_stack(bench, "plain")
    return bench


def make_stack(world, name: str) -> None:
    home = world.stacks / name
    home.mkdir(parents=True)
    (home / "stack.yaml").write_text(
        f"name: {name}\nmade_by: others\nversions: [./run, --versions]\nbackends: [container]\nfeatures: [csv]\n"
    )


def plan(world, stacks: tuple[str, ...] = ("plain",), **keys) -> pathlib.Path:
    return world.plan(list(stacks), backend="container", **keys)


def fails(world, code: int = 4, **keys) -> str:
    done = world.run(plan(world, **keys), timeout=30)
    assert done.returncode == code, done.stderr
    return done.stderr


# ---- what is no engine, or none that can be talked to ----


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[1, 2", b'{"Version": "1"}', b"", b"null"])
def test_what_is_no_engine(world, fake, body):
    fake.rules["GET /version"] = says(body)
    assert "is no container engine" in fails(world)
    assert not world.out.exists()


def test_an_engine_that_refuses(world, fake):
    fake.rules["GET /info"] = says({"message": "not today"}, 500)
    assert "not today" in fails(world)


def test_a_socket_that_nobody_serves(world, fake):
    closed = fake.socket.with_name("closed.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(closed))
    world.env["DOCKER_HOST"] = f"unix://{closed}"
    said = fails(world)
    assert "Connection refused" in said and "port" not in said


@pytest.mark.parametrize(
    "host", ["tcp://127.0.0.1:2375", "ssh://root@host", "/run/docker.sock", "unix://", "unix://x"]
)
def test_an_engine_elsewhere_is_refused(world, host):
    world.env["DOCKER_HOST"] = host
    said = fails(world, 3)
    assert host in said and "unix:///run/docker.sock" in said


@pytest.mark.skipif(os.path.exists("/run/docker.sock"), reason="there is an engine")
def test_a_rootless_engine_is_found(world, fake):
    del world.env["DOCKER_HOST"]
    world.env["XDG_RUNTIME_DIR"] = str(fake.socket.parent)
    fake.socket.with_name("docker.sock").symlink_to(fake.socket)
    fake.rules["GET /info"] = says({"message": "found"}, 500)
    environment = {k: v for k, v in world.environment().items() if k != "DOCKER_HOST"}
    done = subprocess.run(
        world.command(plan(world)), env=environment, capture_output=True, text=True, check=False
    )
    assert "found" in done.stderr


@pytest.mark.parametrize(
    "where", ["GET /version", "GET /images/", "POST /images/create", f"POST /containers/{ID}/wait"]
)
def test_an_interrupt_ends_waiting_for_an_engine_that_says_nothing(world, fake, where):
    fake.rules[where] = silent
    if "create" in where:
        fake.rules["GET /images/"] = says({"message": "absent"}, 404)
    p = plan(world, registry="127.0.0.1:5000")
    started = subprocess.Popen(world.command(p), env=world.environment(), stderr=subprocess.PIPE, text=True)
    while not fake.requests(where):
        time.sleep(0.01)
    begun = time.monotonic()
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 130, started.stderr.read()
    assert time.monotonic() - begun < 5
    started.stderr.close()
    assert len(fake.requests("DELETE /containers/")) == len(fake.requests("POST /containers/create"))


# ---- images ----


def test_names_are_escaped(world, fake):
    make_stack(world, "odd name&tag=x#?%41")
    fake.rules["GET /images/"] = says({"message": "absent"}, 404)
    said = fails(world, stacks=("odd name&tag=x#?%41",))
    assert "weir-odd name&tag=x#?%41:latest" in said
    assert fake.seen[-1].path == "/images/weir-odd%20name%26tag%3Dx%23%3F%2541:latest/json"


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:5000", "127.0.0.1:5000/", "someone", "a b:5000", "/x:1", "x:"]
)
def test_what_is_no_registry_is_refused(world, fake, name):
    done = world.run(plan(world), "--registry", name)
    assert done.returncode == 3
    assert f'registry: "{name}" is none' in done.stderr and "127.0.0.1:5000" in done.stderr
    assert not fake.requests("DELETE")


def test_an_image_that_is_no_stack(world, fake):
    for config in ({}, {"Entrypoint": None}, {"Entrypoint": []}):
        fake.rules["GET /images/"] = says({"Id": "x", "Config": config})
        assert "no entry point" in fails(world, 3)


def test_an_image_for_another_processor(world, fake):
    fake.rules["GET /images/"] = says({"Architecture": "s390x", "Config": {"Entrypoint": ["/run"]}})
    assert "s390x" in fails(world, 3)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (says({"message": "manifest unknown: oh"}, 404), "manifest unknown: oh"),
        (says({"message": "manifest unknown: oh"}, 500), "manifest unknown: oh"),
        (says(b"<html>", 502), "status 502 for /images/create"),
        (lambda r: r.stream(b'{"errorDetail":{},"error":"unexpected EOF"}\r\n'), "unexpected EOF"),
        (lambda r: r.stream(b'{"error":"disk full, no line end"}'), "disk full, no line end"),
        (lambda r: r.stream(b'{"status":"Downloading","id":"a', ends=False), "does not answer"),
        (lambda r: r.stream(b"x" * 3_000_000), "a line of more than"),
        (lambda r: r.write(b"nonsense\r\n\r\n"), "does not answer"),
        (lambda r: None, "does not answer"),
    ],
)
def test_a_pull_that_fails(world, fake, rule, words):
    fake.rules["GET /images/"] = says({"message": "absent"}, 404)
    fake.rules["POST /images/create"] = rule
    said = fails(world, registry="127.0.0.1:5000")
    assert 'could not pull "127.0.0.1:5000/weir-plain:latest"' in said and words in said, said
    pulled = fake.requests("POST /images/create")[0].path
    assert pulled == "/images/create?fromImage=127.0.0.1:5000/weir-plain&tag=latest"


# ---- containers ----


def test_what_a_container_is_asked_for(world, fake):
    file = world.folder / "kept elsewhere.csv"
    file.write_text("event_id,user_id,timestamp,page_url,referrer,device,ip_address\n")
    link = world.folder / "link.csv"
    link.symlink_to(file)
    world.env["AWS_SECRET_ACCESS_KEY"] = "hidden"
    done = world.run(plan(world, data="all", resources={"cpus": 0.5, "memory": "6MiB"}), "--input", str(link))
    assert world.samples()["plain"]["status"] == "failed", done.stderr
    versions, run = (r.body for r in fake.requests("POST /containers/create"))
    host = run["HostConfig"]
    assert (
        f"{link}:{link}:ro" in host["Binds"]
    ), "its folder would hide the image's, and the link lead out of it"
    assert host["NanoCpus"] == 500_000_000 and len(host["CpusetCpus"].split(",")) == 1
    assert host["Memory"] == host["MemorySwap"] == 6 << 20
    assert not any("hidden" in str(r.body) for r in fake.seen), "no lake of one's own, no secrets"
    for body in (versions, run):
        assert body["HostConfig"]["CapDrop"] == ["ALL"] and body["HostConfig"]["NetworkMode"] == "none"
        assert body["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "64m"}}
        assert set(body["Labels"]) == {"weir.owner", "weir.started"}
    names = [r.path.split("name=")[1] for r in fake.requests("POST /containers/create")]
    assert all(name.startswith("weir-") for name in names), "by that doctor --clean finds them"
    assert "hidden" not in world.out.read_text()


def test_secrets_are_given_to_the_run_and_to_nothing_else(world, fake):
    secrets = {"AWS_ACCESS_KEY_ID": "hidden-1", "AWS_SECRET_ACCESS_KEY": "hidden-2", "PGPASSWORD": "hidden-3"}
    world.env |= secrets
    seen = []

    def look(request):
        seen.extend(p.read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"))
        request.answer(200, {"StatusCode": 1})

    fake.rules[f"POST /containers/{ID}/wait"] = Waits(look)
    lake = world.folder / "lake"
    lake.mkdir()
    places = ("--catalog", f"sqlite://{lake}/catalog.db", "--warehouse", f"file://{lake}/warehouse")
    done = world.run(plan(world), *places)
    assert world.samples()["plain"]["status"] == "failed", done.stderr
    told = [r for r in fake.seen if "hidden-" in f"{r.path} {r.body}"]
    assert len(told) == 1 and told[0].path.startswith("/containers/create")
    env = told[0].body.pop("Env")
    assert {f"{name}={value}" for name, value in secrets.items()} < set(env)
    assert "hidden-" not in str(told[0].body) and not any(b"hidden-" in line for line in seen)
    assert seen and "hidden-" not in done.stdout + done.stderr
    kept = [p for p in world.folder.rglob("*") if p.is_file() and b"hidden-" in p.read_bytes()]
    assert kept == []


def test_a_colon_in_a_path(world, fake):
    file = world.folder / "12:30.csv"
    file.write_text("event_id,user_id,timestamp,page_url,referrer,device,ip_address\n")
    done = world.run(plan(world, data="all"), "--input", str(file))
    assert done.returncode == 3 and "colon" in done.stderr and "12:30.csv" in done.stderr


def test_a_limit_that_is_left_out(world, fake):
    warning = "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded."
    fake.rules["POST /containers/create"] = says({"Id": ID, "Warnings": [warning]}, 201)
    assert "Limitation discarded" in fails(world, 3)  # when versions are asked for
    assert fake.requests(f"DELETE /containers/{ID}")


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"Id": ""}', b'{"Id": 7}', b"garbage"])
def test_a_container_without_a_name(world, fake, answer):
    fake.rules["POST /containers/create"] = says(answer, 201)
    assert "container" in fails(world, 3)


def test_a_container_that_may_have_been_made_is_removed_by_its_name(world, fake):
    fake.rules["POST /containers/create"] = lambda r: None  # the answer is lost
    fails(world, 3)
    name = fake.requests("POST /containers/create")[0].path.split("name=")[1]
    assert fake.requests(f"DELETE /containers/{name}")


@pytest.mark.parametrize("state", [{}, None, {"ExitCode": "0"}, {"ExitCode": -1}, {"ExitCode": 256}])
def test_an_end_that_is_not_told(world, fake, state):
    fake.state = state
    assert "does not say how the container" in fails(world)
    assert fake.requests(f"DELETE /containers/{ID}")


def test_a_container_that_cannot_be_removed_is_told(world, fake):
    fake.rules[f"DELETE /containers/{ID}"] = says({"message": "driver failed to remove root filesystem"}, 500)
    said = fails(world, 3)
    assert "failed to remove root" in said and "weir doctor --clean" in said


@pytest.fixture
def inside():
    """The first process of a PID namespace of its own, as a container's is."""
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "100"])
    children = pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while not children.read_text().strip():
        time.sleep(0.01)
    yield int(children.read_text())
    outer.kill()
    outer.wait()


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="a PID namespace needs root")


class Waits:
    """The first wait, for versions, ends as it should; later ones as `rule` says."""

    def __init__(self, rule: fake_engine.Rule) -> None:
        self.rule, self.count = rule, 0

    def __call__(self, request: fake_engine.Request) -> None:
        self.count += 1
        (says({"StatusCode": 0}) if self.count == 1 else self.rule)(request)


@needs_root
def test_a_wait_that_is_broken_off_is_taken_up(world, fake, inside):
    fake.state = {"Running": True, "Pid": inside, "ExitCode": 0}

    def third_ends(request):
        if waits.count < 4:
            return  # nothing is said: the connection ends
        fake.state = {"Running": False, "Pid": 0, "ExitCode": 7}
        request.answer(200, {"StatusCode": 7})

    waits = fake.rules[f"POST /containers/{ID}/wait"] = Waits(third_ends)
    world.run(plan(world), timeout=30)
    assert waits.count == 4
    assert world.samples()["plain"]["exit"] == 7


@needs_root
def test_an_engine_that_dies_while_a_container_runs(world, fake, inside):
    fake.state = {"Running": True, "Pid": inside, "ExitCode": 0}

    def dies(_):
        time.sleep(0.3)
        for what in ("GET ", "POST ", "DELETE "):
            fake.rules[what] = lambda r: None
        fake.rules = dict(reversed(fake.rules.items()))

    fake.rules[f"POST /containers/{ID}/wait"] = Waits(dies)
    said = fails(world)
    assert "stopped answering while it ran" in said and "weir doctor --clean" in said
    assert world.lines("sample") == []


def test_processes_of_another_kernel_are_not_taken_for_ours(world, fake):
    fake.state = {"Running": True, "Pid": os.getpid(), "ExitCode": 0}
    assert "cannot be seen from here" in fails(world)


# ---- the command line ----


def test_studies_of_processes_are_refused_on_the_command_line_too(world, fake):
    for option in (["--serve", "3"], ["--profile"]):
        done = world.run(plan(world), *option)
        assert done.returncode == 2 and "studies of processes" in done.stderr
    assert not fake.seen


def test_listing_needs_no_engine(world, fake):
    done = world.run(plan(world), "--list")
    assert done.returncode == 0, done.stderr
    assert "each a container of its own" in done.stdout
    assert not fake.seen


def test_cleaning_looks_at_names_that_are_none(world, fake):
    fake.rules["GET /containers/json"] = says(
        [{"Id": ID, "Names": [""]}, {"Id": ID, "Names": []}, {"Id": 7}, 3]
    )
    assert "removed 0" in world.clean()
    assert not fake.requests("DELETE")
