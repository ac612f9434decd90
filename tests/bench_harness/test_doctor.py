"""`weir doctor`: what it says is so, and `--clean` ends what nobody watches any more."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time

from tools import engine


def doctor(bench, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine.BINARY, "doctor", *args], env=bench.environment(), capture_output=True, text=True, check=False
    )


def findings(bench) -> dict[str, dict]:
    return {f["name"]: f for f in json.loads(doctor(bench, "--json").stdout)}


def test_says_what_is_missing_and_what_to_do(bench):
    bench.stack("fine", "native()\n")
    bench.stack("broken", "native()\n")
    (bench.stacks / "broken" / "run").write_text("#!/bin/sh\nexit 4\n")
    bench.env |= {"WEIR_CGROUPS": "off", "WEIR_MMDB": "/nowhere", "WEIR_DUCKDB": "/nowhere"}
    found = findings(bench)
    assert found["stack fine"]["ok"] and not found["stack broken"]["ok"]
    assert "weir stack setup broken" in found["stack broken"]["do"]
    for name in ("groups", "memory_limit", "cpu_limit", "mmdb", "duckdb"):
        assert not found[name]["ok"] and found[name]["do"], name
    assert "WEIR_CGROUPS" in found["groups"]["why"]
    shown = doctor(bench)
    assert shown.returncode == 1 and "do: weir stack setup broken" in shown.stdout


def test_groups_as_bench_finds_them(bench):
    bench.stack("fine", "native()\n")
    assert bench.run(bench.plan(["fine"])).returncode == 0
    kind = bench.lines("run")[0]["environment"]["cgroup"]
    found = findings(bench)["groups"]
    assert found["ok"] == (kind != "none")
    if found["ok"]:
        assert f"({kind})" in found["what"]


def test_clean_ends_what_is_left_and_only_that(bench):
    if not findings(bench)["groups"]["ok"]:
        return  # nothing to find them by
    bench.stack("long", "load('daemon')\nload('hang')\n")
    process = subprocess.Popen(
        bench.command(bench.plan(["long"])),
        env=bench.environment(),
        stderr=subprocess.DEVNULL,
        cwd=bench.folder,
    )
    while not any(line.endswith("hang ") for line in bench.running()):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(11)  # a group just made is left alone, whoever is in it
    doctor(bench, "--clean")
    assert any(line.endswith("hang ") for line in bench.running()), "it ended a benchmark that runs"
    assert process.poll() is None
    # weir and its keeper killed at once: nobody is left to end the daemon.
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (*map(int, children), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    assert bench.running() != []
    assert "removed 1 run" in doctor(bench, "--clean").stderr
    assert bench.running() == []
