"""`weir bench --backend container` on a Docker engine of the tests' own, with images made from this machine's files."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from tools import docker, engine
from tools.docker import NATIVE, VERSIONS

pytestmark = pytest.mark.skipif(bool(docker.missing()), reason=docker.missing())

MB = 1_000_000


@pytest.fixture(scope="module")
def containers():
    # A short path: a socket's name has 107 bytes at most.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-docker-"))
    made = docker.start(folder)
    try:
        yield made
        assert made.containers() == []
    finally:
        made.close()


@pytest.fixture
def world(containers, bench):
    bench.env["DOCKER_HOST"] = containers.host
    yield bench
    assert containers.containers() == []
    assert groups() == []


STACKS = ("plain", "loaded", "greedy", "broken", "hanging", "endless")


def groups() -> list[str]:
    """Control groups of these benchmarks, in any tree."""
    top = pathlib.Path("/sys/fs/cgroup")
    return [str(p) for s in STACKS for t in ("", "*/") for p in top.glob(f"{t}weir-*-{s}") if p.is_dir()]


def stack(world, containers, name: str, body: str) -> None:
    """Its folder, which has no program: what runs is in the image."""
    home = world.stacks / name
    home.mkdir(parents=True)
    (home / "stack.yaml").write_text(
        f"name: {name}\nmade_by: others\nversions: [./run, --versions]\nbackends: [container]\nfeatures: [csv]\n"
    )
    containers.image(name, VERSIONS + body, {"/bin/load": world.load})


def plan(world, stacks: list[str], **keys) -> pathlib.Path:
    return world.plan(stacks, backend="container", **keys)


def test_what_a_container_uses_is_measured(world, containers):
    stack(world, containers, "plain", NATIVE)
    stack(world, containers, "loaded", "/bin/load memory 300000000\n/bin/load cpu 2\n" + NATIVE)
    done = world.run(plan(world, ["plain", "loaded"]))
    assert done.returncode == 0, done.stderr
    run, samples = world.lines("run")[0], world.samples()
    assert run["backend"] == "container"
    assert any("Docker" in note for note in run["backend_notes"])
    assert {s["status"] for s in samples.values()} == {"ok"}
    plain, loaded = (samples[n]["metrics"] for n in ("plain", "loaded"))
    for m in (plain, loaded):
        assert 0 < m["container_start_s"] < m["total_s"]
        assert m["image_pull_s"] is None
        assert m["peak_memory_bytes"] >= m["peak_anon_bytes"]
    assert loaded["peak_anon_bytes"] == pytest.approx(300 * MB, rel=0.03)
    # Starting a container costs some, and so does new memory; on a busy machine more.
    assert 1.9 < loaded["cpu_s"] - plain["cpu_s"] < 3.5
    series = samples["loaded"]["series"]
    assert max(series["cpu_percent"]) < 300 * os.cpu_count(), "what starting took is of the time before"
    assert samples["loaded"]["phases"]["create"] < series["t_s"][0] <= series["t_s"][-1] <= loaded["total_s"]
    image = samples["loaded"]["image"]
    assert image["name"] == "weir-loaded:latest"
    assert image["disk_bytes"] > 1 * MB
    assert image["engine_cpu_s"] <= loaded["cpu_s"] + 0.01
    assert image["engine_peak_bytes"] >= 300 * MB


def test_limits_hold_and_are_seen_inside(world, containers):
    stack(world, containers, "plain", NATIVE)
    stack(world, containers, "greedy", "/bin/load memory 400000000 || exit\n" + NATIVE)
    limits = {"memory": "256MB", "cpus": 1}
    done = world.run(plan(world, ["plain", "greedy"], resources=limits))
    assert done.returncode == 1
    samples = world.samples()
    assert samples["plain"]["status"] == "ok"
    assert samples["plain"]["metrics"]["peak_memory_bytes"] <= 256 * MB
    seen = samples["plain"]["seen"]
    assert seen["cpus"] == 1
    assert samples["greedy"]["status"] == "oom", samples["greedy"]["error"]
    assert samples["greedy"]["metrics"]["job_s"] is None


def test_a_pull_is_measured_layer_by_layer(world, containers):
    stack(world, containers, "plain", NATIVE)
    name = f"{containers.registry}/weir-plain:latest"
    containers.docker("tag", "weir-plain:latest", name)
    containers.docker("push", "--quiet", name)
    containers.docker("rmi", "--force", "weir-plain:latest", name)
    containers.docker("image", "prune", "--force")  # of other tests
    done = world.run(plan(world, ["plain"], repetitions=2, registry=containers.registry))
    assert done.returncode == 0, done.stderr
    for sample in world.lines("sample"):
        m, image = sample["metrics"], sample["image"]
        assert m["image_pull_s"] > 0
        assert m["total_s"] >= m["image_pull_s"] + m["container_start_s"]
        assert image["layers"] == 1 and image["layers_present"] == 0
        assert 0 < image["pull_bytes"] < image["disk_bytes"]
        assert 0 < image["extract_s"] <= m["image_pull_s"]
    report = subprocess.run([engine.BINARY, "report", world.out], capture_output=True, text=True, check=True)
    assert "Image Pull (s)" in report.stdout
    assert "modelled" in report.stdout and "compressed" in report.stdout


def test_layers_that_are_there_are_no_pull(world, containers):
    stack(world, containers, "plain", NATIVE)
    name = f"{containers.registry}/weir-plain:latest"
    containers.docker("tag", "weir-plain:latest", name)
    containers.docker("push", "--quiet", name)
    done = world.run(plan(world, ["plain"], registry=containers.registry))
    assert done.returncode == 0, done.stderr
    sample = world.samples()["plain"]
    assert sample["metrics"]["image_pull_s"] is None
    assert "here already" in sample["unavailable"]["image_pull_s"]


def test_what_fails_and_what_hangs(world, containers):
    stack(world, containers, "broken", "echo no engine in here >&2\nexit 7\n")
    stack(world, containers, "hanging", "trap '' TERM\nwhile :; do /bin/load cpu 0.05; done\n")
    done = world.run(plan(world, ["broken", "hanging"], timeout="2s"))
    assert done.returncode == 1
    samples = world.samples()
    assert samples["broken"]["status"] == "failed"
    assert "exit code 7" in samples["broken"]["error"]
    assert "no engine in here" in (world.folder / samples["broken"]["output"]).read_text()
    assert samples["hanging"]["status"] == "timeout"


def begun(world, containers, *args: str) -> subprocess.Popen:
    stack(world, containers, "endless", "trap 'exit 1' TERM\nwhile :; do /bin/load cpu 0.05; done\n")
    p = plan(world, ["endless"])
    started = subprocess.Popen(world.command(p, *args), env=world.environment(), stderr=subprocess.DEVNULL)
    for _ in range(400):
        if any(c.endswith("-endless") for c in containers.containers()):
            return started
        time.sleep(0.05)
    started.kill()
    raise AssertionError("no container was begun")


def test_an_interrupt_leaves_nothing(world, containers):
    started = begun(world, containers)
    for group in groups():
        pathlib.Path(group, "conmon").mkdir()  # as Podman does, and leaves it
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    assert started.wait(60) == 130
    assert groups() == [] and time.monotonic() - began < 9, "nothing was waited for"


def test_what_a_killed_benchmark_leaves_is_cleaned(world, containers):
    started = begun(world, containers)
    assert "removed 0" in world.clean()
    assert containers.containers()
    started.kill()
    started.wait(10)
    assert containers.containers()
    assert "removed 1" in world.clean()
    assert containers.containers() == []


def test_resuming_removes_it_too(world, containers):
    started = begun(world, containers)
    started.kill()
    started.wait(10)
    left = containers.containers()
    stack_again = world.stacks / "endless"
    shutil.rmtree(stack_again)
    stack(world, containers, "endless", NATIVE)
    done = world.run(world.folder / "plan.yaml", "--resume")
    assert done.returncode == 0, done.stderr
    assert not set(left) & set(containers.containers())
    assert world.samples()["endless"]["status"] == "ok"


def test_no_engine_no_image(bench, containers):
    (bench.stacks / "absent").mkdir(parents=True)
    (bench.stacks / "absent/stack.yaml").write_text(
        "name: absent\nversions: [./run]\nbackends: [container]\n"
    )
    p = plan(bench, ["absent"])
    bench.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = bench.run(p)
    assert done.returncode == 4
    assert "/nowhere/docker.sock" in done.stderr
    bench.env["DOCKER_HOST"] = "tcp://127.0.0.1:2375"
    assert "DOCKER_HOST" in bench.run(p).stderr
    bench.env["DOCKER_HOST"] = containers.host
    done = bench.run(p)
    assert done.returncode == 4
    assert "weir-absent" in done.stderr and "make docker-build" in done.stderr
    assert not bench.out.exists()


def test_studies_of_processes_are_refused(world, containers):
    world.stacks.mkdir()
    for key in ({"serve": 3}, {"profile": True}):
        done = world.run(plan(world, ["plain"], **key))
        assert done.returncode == 3
        assert "processes" in done.stderr
    done = world.run(world.plan(["plain"], registry="127.0.0.1:5000"))
    assert done.returncode == 3
    assert "registry" in done.stderr


def test_files_are_not_roots(world, containers):
    script = "id=0\n/bin/load cpu 0.01\n" + NATIVE
    stack(world, containers, "plain", script)
    shown = json.loads(containers.docker("image", "inspect", "weir-plain:latest"))[0]["Config"]["User"]
    assert shown == f"{docker.USER}:{docker.USER}"
    done = world.run(plan(world, ["plain"]))
    assert done.returncode == 0, done.stderr
    lake = next(world.folder.rglob("catalog.db"), None)
    assert lake is None or lake.stat().st_uid == docker.USER
    assert os.getuid() == 0
