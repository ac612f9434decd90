#!/usr/bin/env python3
"""Whether verdicts can be believed, by real runs: `aa_runs.py [--runs 20] [--repetitions 12] [--rows 400000] [--slow 5]`.

Each run is a `weir bench` of its own over two stacks: the native engine, which is measured against itself too, and the
same engine that waits 5 % of its job's time before it says that it has committed. Counted is how often the engine is called
different from itself, which 5 % at most may be, and how often the slower one is found. Takes a quiet machine and many minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = os.environ.get("WEIR_BIN", str(ROOT / "build/weir"))
STACK = """\
#!{python}
import json, os, subprocess, sys, time

if sys.argv[1] == "--versions":
    print(json.dumps({{"weir": "this"}}))
    sys.exit(0)
path = sys.argv[1]
job = json.load(open(path))
events = job["events_file"]
json.dump({{**job, "events_file": events + ".own"}}, open(path + ".own", "w"))
code = subprocess.call([{weir!r}, "run", "--job", path + ".own"])
if code:
    sys.exit(code)
told = [json.loads(line) for line in open(events + ".own")]
at = {{t["event"]: t["t_ns"] for t in told}}
late = {share} * (at["committed"] - at["start"])
time.sleep(late / 1e9)
with open(events, "w") as out:
    for t in told:
        later = late if t["event"] in ("committed", "done") else 0
        out.write(json.dumps({{**t, "t_ns": int(t["t_ns"] + later)}}) + "\\n")
"""


def make_stack(folder: pathlib.Path, name: str, share: float) -> None:
    home = folder / "stacks" / name
    home.mkdir(parents=True)
    (home / "stack.yaml").write_text(
        f"name: {name}\nmade_by: others\nversions: [./run, --versions]\nbackends: [process]\nfeatures: [csv]\n"
    )
    (home / "run").write_text(STACK.format(python=sys.executable, weir=WEIR, share=share))
    (home / "run").chmod(0o755)


def one_run(folder: pathlib.Path, seed: int, repetitions: int, rows: int) -> tuple[dict, dict]:
    """The comparisons of job times: with itself, with the slower one."""
    plan, out = folder / "plan.yaml", folder / f"{seed}.jsonl"
    tree = {
        "stacks": ["plain", "slow"],
        "data": {"name": "rows", "rows": rows},
        "repetitions": repetitions,
        "seed": seed,
    }
    plan.write_text(json.dumps(tree))
    command = [WEIR, "bench", str(plan), "--out", str(out), "--data-dir", str(folder / "data")]
    env = {**os.environ, "WEIR_STACKS": str(folder / "stacks")}
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = subprocess.run([WEIR, "report", "--json", str(out)], check=True, capture_output=True).stdout
    verdict = json.loads(text)["cases"][0]["verdicts"]["job_s"]
    return verdict["a_against_a"], verdict["pairs"][0]


def shown(c: dict) -> str:
    low, high = (c["interval"][k] for k in ("low", "high"))
    return f"{c['ratio']:.3f} [{low:.3f}, {high:.3f}] p={c['p']:.3f} {c['verdict']}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--repetitions", type=int, default=12, help="10 at least, else there are no verdicts")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--slow", type=float, default=5, help="percent")
    o = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-aa-"))
    try:
        make_stack(folder, "plain", 0)
        make_stack(folder, "slow", o.slow / 100)
        different = found = 0
        for seed in range(1, o.runs + 1):
            itself, slower = one_run(folder, seed, o.repetitions, o.rows)
            different += itself["verdict"] in ("less", "more")
            found += slower["verdict"] == "more"
            print(f"{seed:3}  A/A {shown(itself)}   slower {shown(slower)}", flush=True)
        print(
            f"different from itself: {different} of {o.runs}; {o.slow:g} % slower found: {found} of {o.runs}"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
