"""weir bench --profile: extra runs under a profiler, beside the samples."""

from __future__ import annotations

import json
import shutil

import pytest
from tools import engine

from bench_harness import schema

SCHEMA = json.loads((engine.ROOT / "docs/results.schema.json").read_text())
PY_SPY = engine.ROOT / ".venv/bin/py-spy"
SPIN = """
def spin():
    end = time.process_time() + 1
    while time.process_time() < end:
        pass

spin()
native()
"""


def profile(bench, profiler: str, body: str) -> tuple[dict, str]:
    bench.stack("one", body)
    about = bench.stacks / "one/stack.yaml"
    about.write_text(about.read_text() + f"profiler: {profiler}\n")
    done = bench.run(bench.plan(["one"], profile=True))
    assert done.returncode == 0, done.stderr
    assert len(bench.lines("sample")) == 1  # the extra run is none
    found = bench.lines("profile")
    for line in found:
        assert schema.problems(line, SCHEMA, SCHEMA) == []
    return found[0] if found else {}, done.stderr


@pytest.mark.skipif(not shutil.which("perf"), reason="not installed: perf (Debian's package linux-perf)")
def test_native_code(bench):
    line, _ = profile(bench, "perf", "load('cpu', 1)\nnative()\n")
    assert line["error"] == "" and line["samples"] > 20
    functions = {f["function"]: f["percent"] for f in line["functions"]}
    assert sum(functions.values()) <= 100.1
    clock = sum(
        v for k, v in functions.items() if "clock" in k or "cpu_seconds" in k or "time" in k or "burn" in k
    )
    assert clock > 20, functions  # what it does is ask for the time
    assert (bench.folder / line["file"]).exists()


@pytest.mark.skipif(not PY_SPY.exists(), reason="not installed: py-spy (scripts/setup --dev)")
def test_python(bench):
    line, _ = profile(bench, "py-spy", SPIN)
    assert line["error"] == "", line
    assert line["functions"][0]["function"] == "spin (run)" and line["functions"][0]["percent"] > 50


def test_a_profiler_that_saw_nothing_is_said(bench):
    line, said = profile(bench, "jfr", "native()\n") if shutil.which("jfr") else ({}, "")
    if not line:
        pytest.skip("not installed: jfr (Debian's package openjdk-17-jdk-headless)")
    assert line["functions"] == [] and "jfr wrote nothing" in line["error"] and "no profile: jfr" in said


def test_unknown_ones_are_said(bench):
    line, said = profile(bench, "oprofile", "native()\n")
    assert not line and '"oprofile" is not a profiler that weir knows' in said
