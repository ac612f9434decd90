"""Ended in the middle, `weir bench` loses the sample at hand and no other, and leaves nothing running."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

SLOW = "load('daemon')\ntime.sleep(0.4)\nnative()\n"


def start(bench, plan, *args: str) -> subprocess.Popen:
    return subprocess.Popen(
        bench.command(plan, *args),
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=bench.folder,
    )


def count_samples(bench) -> int:
    return bench.out.read_bytes().count(b'"type":"sample"') if bench.out.exists() else 0


def wait_for_samples(bench, process: subprocess.Popen, n: int) -> None:
    deadline = time.monotonic() + 120
    while count_samples(bench) < n:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_nothing_runs(bench) -> None:
    deadline = time.monotonic() + 30
    while bench.running():
        assert time.monotonic() < deadline, bench.running()
        time.sleep(0.05)


def groups_left(bench) -> list[pathlib.Path]:
    """Control groups that are called after the samples of this folder's stacks."""
    found = pathlib.Path("/sys/fs/cgroup").rglob("weir-*")
    return [p for p in found if p.name.endswith(tuple(f"-{bench.mark}{n}" for n in ("one", "two")))]


def assert_whole(bench, total: int) -> None:
    orders = [s["order"] for s in bench.lines("sample")]
    assert sorted(orders) == list(range(1, total + 1))
    assert {s["status"] for s in bench.lines("sample")} == {"ok"}
    assert len({s["digest"] for s in bench.lines("sample")}) == 1
    assert [line["type"] for line in bench.lines()].count("run") == 1
    assert bench.lines()[-1]["type"] == "end"
    assert [p.name for p in bench.out.with_suffix(".d").iterdir()] == ["output"]


@pytest.mark.parametrize("groups", ["on", "off"])
def test_killed_again_and_again(bench, groups):
    bench.env["WEIR_CGROUPS"] = groups
    one, two = bench.mark + "one", bench.mark + "two"
    bench.stack(one, SLOW)
    bench.stack(two, SLOW)
    plan = bench.plan([one, two], repetitions=3, aa=one)
    resume: list[str] = []
    for seen in (1, 3, 5):
        process = start(bench, plan, *resume)
        wait_for_samples(bench, process, seen)
        time.sleep(random.Random(seen).random())
        process.kill()
        process.wait()
        process.stderr.close()
        wait_until_nothing_runs(bench)
        before = bench.out.read_bytes()
        resume = ["--resume"]
    done = bench.run(plan, "--resume")
    assert done.returncode == 0, done.stderr
    assert bench.out.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    assert_whole(bench, 9)
    assert groups_left(bench) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(bench, how):
    bench.stack("one", SLOW)
    plan = bench.plan(["one"], repetitions=3)
    process = start(bench, plan)
    wait_for_samples(bench, process, 1)
    process.send_signal(how)
    assert process.wait(timeout=60) == 130
    assert "--resume" in process.stderr.read()
    process.stderr.close()
    assert bench.running() == []
    assert 1 <= count_samples(bench) < 3
    done = bench.run(plan, "--resume")
    assert done.returncode == 0, done.stderr
    assert_whole(bench, 3)


def test_broken_line_is_cut(bench):
    bench.stack("one", "native()\n")
    plan = bench.plan(["one"], repetitions=3)
    assert bench.run(plan).returncode == 0
    whole = bench.out.read_bytes().splitlines(keepends=True)
    samples = [i for i, line in enumerate(whole) if b'"type":"sample"' in line]
    bench.out.write_bytes(b"".join(whole[: samples[1]]) + whole[samples[1]][:100])
    done = bench.run(plan, "--resume")
    assert done.returncode == 0, done.stderr
    assert_whole(bench, 3)


def test_nothing_left_to_do(bench):
    bench.stack("one", "native()\n")
    plan = bench.plan(["one"], repetitions=2)
    assert bench.run(plan).returncode == 0
    before = bench.out.read_bytes()
    assert bench.run(plan, "--resume").returncode == 0
    assert bench.out.read_bytes() == before


def test_what_is_refused(bench):
    bench.stack("one", "native()\n")
    plan = bench.plan(["one"])
    assert bench.run(plan, "--resume").returncode == 3
    assert bench.run(plan).returncode == 0
    again = bench.run(plan)
    assert again.returncode == 3 and "--resume" in again.stderr
    other = bench.run(bench.plan(["one"], repetitions=2), "--resume")
    assert other.returncode == 3 and "another plan" in other.stderr
    bench.out.write_text("not a result file\n")
    wrong = bench.run(bench.plan(["one"]), "--resume")
    assert wrong.returncode == 3, wrong.stderr
    assert bench.out.read_text() == "not a result file\n"


def test_one_at_a_time(bench):
    bench.stack("one", "time.sleep(2)\nnative()\n")
    plan = bench.plan(["one"])
    process = start(bench, plan)
    while not bench.out.exists() or not bench.out.read_bytes():
        time.sleep(0.02)
    second = bench.run(plan, "--resume")
    assert second.returncode == 3 and "another weir bench" in second.stderr
    assert process.wait(timeout=60) == 0
    process.stderr.close()


def test_full_disk(bench):
    """A result that cannot be written ends the benchmark, and is said."""
    bench.stack("one", "native()\n")
    command = bench.command(bench.plan(["one"]))
    command[command.index("--out") + 1] = "/dev/full/x.jsonl"
    done = subprocess.run(command, env=bench.environment(), capture_output=True, text=True, cwd=bench.folder)
    assert done.returncode in (3, 4), done.stderr
    assert os.path.basename(command[0]) == "weir" and "weir: could not" in done.stderr
