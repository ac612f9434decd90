"""What other tools measure of the same command: hyperfine (wall and CPU time) and GNU time (CPU time, peak memory)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

MISSING = [name for name in ("hyperfine", "time") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian's packages; scripts/setup --dev)"
)
BODY = """
json.dump(job, open({kept!r}, "w"))
load("memory", 300_000_000)
load("cpu", 1)
time.sleep(2)
native()
"""


@pytest.fixture
def measured(bench) -> tuple[dict, list[str]]:
    """The sample, and the command that does the same again."""
    kept, again = bench.folder / "kept.json", bench.folder / "again"
    bench.stack("one", BODY.format(kept=str(kept)))
    done = bench.run(bench.plan(["one"]))
    assert done.returncode == 0, done.stderr
    job = json.loads(kept.read_text())
    (again / "lake/warehouse").mkdir(parents=True)
    paths = {name: str(again / name) for name in ("tmp_dir", "events_file", "result_file")}
    (again / "tmp_dir").mkdir()
    job |= paths
    job["catalog"] |= {
        "uri": f"sqlite://{again}/lake/catalog.db",
        "warehouse": f"file://{again}/lake/warehouse",
    }
    (again / "job.json").write_text(json.dumps(job))
    return bench.samples()["one"], [str(bench.stacks / "one/run"), str(again / "job.json")]


def test_hyperfine(bench, measured) -> None:
    sample, command = measured
    out = bench.folder / "hyperfine.json"
    subprocess.run(
        ["hyperfine", "--shell=none", "--runs=3", "--export-json", out, " ".join(command)],
        check=True,
        capture_output=True,
    )
    (theirs,) = json.loads(out.read_text())["results"]
    assert sample["metrics"]["cpu_s"] == pytest.approx(theirs["user"] + theirs["system"], rel=0.05, abs=0.1)
    if not any(flag.startswith("busy") for flag in sample["flags"]):  # else it had to wait for others
        assert sample["metrics"]["total_s"] == pytest.approx(theirs["min"], rel=0.1, abs=0.1)


def test_gnu_time(measured) -> None:
    sample, command = measured
    done = subprocess.run(["time", "-f", "%U %S %M", *command], capture_output=True, text=True, check=True)
    user, system, peak_kb = map(float, re.findall(r"[\d.]+", done.stderr.splitlines()[-1]))
    assert sample["metrics"]["cpu_s"] == pytest.approx(user + system, rel=0.05, abs=0.1)
    # GNU time knows the largest process alone; so do we.
    assert max(sample["series"]["by_process"]["load"]["rss"]) == pytest.approx(1024 * peak_kb, rel=0.02)
