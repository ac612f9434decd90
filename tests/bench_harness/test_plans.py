"""Plans, the order of samples, data of one's own, and the form of the result file."""

from __future__ import annotations

import collections
import contextlib
import gzip
import json
import os
import pathlib
import pty
import subprocess

import pytest
from tools import clicks, engine

from bench_harness import schema

SCHEMA = json.loads((engine.ROOT / "docs/results.schema.json").read_text())


def test_every_line_is_as_the_schema_says(bench):
    bench.stack("good", "native()\n")
    bench.stack("bad", "sys.exit(7)")
    served = bench.stacks / "good" / "serve"
    served.write_text('#!/bin/sh\nwhile read -r job; do "$(dirname "$0")/run" "$job" || exit; done\n')
    served.chmod(0o755)
    plan = bench.plan(["good", "bad"], aa="good", resources={"memory": "64MB"})
    assert bench.run(plan, "--serve", "3", "--min-memory", timeout=300).returncode == 1
    lines = bench.lines()
    assert {line["type"] for line in lines} == {"run", "stack", "data", "sample", "serve", "minimum", "end"}
    for line in lines:
        assert schema.problems(line, SCHEMA, SCHEMA) == []
        assert schema.problems({**line, "type": "x"}, SCHEMA, SCHEMA)
        for key in SCHEMA["$defs"][line["type"]]["required"]:
            assert schema.problems({k: v for k, v in line.items() if k != key}, SCHEMA, SCHEMA), key
    for study in [*bench.lines("serve"), *bench.lines("minimum")]:
        assert study["case"] == "few/csv/strict/warm/" + f"{lines[0]['environment']['cpus']}cpu/64MB"
    assert len(bench.lines("serve")) == 1 and bench.lines("serve")[0]["verified"]
    assert len(bench.lines("serve")[0]["steady_job_s"]) == 2
    least = {m["stack"]: m["memory_bytes"] for m in bench.lines("minimum")}
    if lines[0]["environment"]["cgroup"] != "none":
        assert least["bad"] is None and 0 < least["good"] <= 64_000_000


def test_serve_that_gets_a_job_wrong_has_no_times(bench):
    bench.stack("good", "native()\n")
    served = bench.stacks / "good" / "serve"
    served.write_text(
        "#!/bin/sh\nn=0\nwhile read -r job; do n=$((n+1)); "
        '[ $n = 2 ] && sed -i "s/\\"gap_seconds\\": 1800/\\"gap_seconds\\": 60/" "$job"; '
        '"$(dirname "$0")/run" "$job" || exit; done\n'
    )
    served.chmod(0o755)
    assert bench.run(bench.plan(["good"], serve=3)).returncode == 0
    (study,) = bench.lines("serve")
    assert (study["verified"], study["first_job_s"], study["steady_job_s"]) == (False, None, [])
    assert "job 2" in study["error"]


def test_order_is_in_blocks(bench):
    for name in ("a", "b"):
        bench.stack(name, "native()\n")
    assert bench.run(bench.plan(["a", "b"], repetitions=2, aa="b")).returncode == 0
    samples = bench.lines("sample")
    assert [s["order"] for s in samples] == list(range(1, 7))
    for r in range(2):
        block = samples[3 * r : 3 * r + 3]
        assert {s["repetition"] for s in block} == {r + 1}
        assert {(s["stack"], s["aa"]) for s in block} == {("a", None), ("b", "a"), ("b", "b")}


def test_several_questions_in_one_run(bench):
    """Formats, parsing and n side by side; each sample is checked, each case its own."""
    bench.stack("a", "native()\n")
    bench.stack("b", "native()\n")
    plan = bench.plan(
        ["a", "b"],
        data={"name": "few", "rows": 300, "format": ["csv", "parquet"]},
        cases=[
            {"format": "csv", "parsing": ["strict", "idiomatic"]},
            {"format": "parquet", "repetitions": 2},
        ],
    )
    done = bench.run(plan)
    assert done.returncode == 0, done.stderr
    seen = collections.Counter((s["format"], s["strict"]) for s in bench.lines("sample") if s["verified"])
    assert seen == {("csv", True): 2, ("csv", False): 2, ("parquet", True): 4}
    assert {(d["data"], d["format"]) for d in bench.lines("data")} == {("few", "csv"), ("few", "parquet")}
    assert "few/parquet/strict/warm" in done.stdout and "few/csv/idiomatic/warm" in done.stdout
    listed = bench.run(plan, "--list").stdout  # now that they have run here
    assert "8 samples" in listed and "as the same runs took here before" in listed


STEADY = """
def event(name):
    with open(job["events_file"], "a") as f:
        f.write(json.dumps({"t_ns": time.time_ns(), "event": name}) + "\\n")

event("start")
event("ready")
time.sleep(0.3)
native({"events_file": path + ".other"})
event("committed")
event("done")
"""


@pytest.mark.parametrize(
    "keys, why, after", [({"precision": "100%"}, "narrow", 10), ({"budget": "1s"}, "budget", 6)]
)
def test_stops_when_it_is_enough(bench, keys, why, after):
    bench.stack("a", STEADY)
    plan = bench.plan(["a"], repetitions=12, **keys)
    done = bench.run(plan)
    assert done.returncode == 0, done.stderr
    (stop,) = bench.lines("stop")
    assert (stop["why"], stop["repetitions"]) == (why, after)
    assert schema.problems(stop, SCHEMA, SCHEMA) == []
    assert len(bench.lines("sample")) == after
    if why == "narrow":  # the samples decide, so that taken up again it is still enough
        before = bench.out.read_bytes()
        assert bench.run(plan, "--resume").returncode == 0
        assert bench.out.read_bytes() == before


def test_a_budget_counts_all_starts(bench):
    bench.stack("a", STEADY)
    plan = bench.plan(["a"], repetitions=8, budget="1h")
    assert bench.run(plan).returncode == 0
    lines = [json.loads(line) for line in bench.out.read_text().splitlines()]
    kept = [line for line in lines if line["type"] != "end"][:-2]  # cut short after six samples …
    assert [line["type"] for line in kept].count("sample") == 6 and kept[-1]["elapsed_s"] < 600
    kept[-1]["elapsed_s"] = 7200  # … which took two hours
    bench.out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    assert bench.run(plan, "--resume").returncode == 0
    (stop,) = bench.lines("stop")
    assert (stop["why"], stop["repetitions"]) == ("budget", 6) and len(bench.lines("sample")) == 6


@pytest.mark.parametrize(
    "keys, word",
    [
        ({"stacks": []}, "stacks"),
        ({"stacks": ["a", "a"]}, "twice"),
        ({"stacks": ["nobody"]}, "nobody"),
        ({"data": "huge"}, "huge"),
        ({"data": {"name": "x"}}, "size or rows"),
        ({"data": {"name": "x", "size": "1MB", "dirt": "very"}}, "dirt"),
        ({"data": ["small", "small"]}, "two are called"),
        ({"resources": {"cpus": 1000}}, "cpus"),
        ({"resources": {"memory": "lots"}}, "memory"),
        ({"repetitions": 0}, "repetitions"),
        ({"cache": "hot"}, "warm, cold"),
        ({"parsing": ["strict", "loose"]}, "idiomatic"),
        ({"timeout": "soon"}, "timeout"),
        ({"aa": "nobody"}, "aa"),
        ({"backend": "virtual machine"}, "backend"),
        ({"registry": "127.0.0.1:5000"}, "registry"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_wrong_plans_are_refused_before_anything_runs(bench, keys, word):
    bench.stack("a", "native()\n")
    done = bench.run(bench.plan(keys.pop("stacks", ["a"]), **keys))
    assert done.returncode == 3, done.stderr
    assert word in done.stderr
    if bench.out.exists():
        assert bench.lines("sample") == []


def test_list_runs_nothing(bench):
    bench.stack("a", "native()\n")
    done = bench.run(bench.plan(["a"], cache=["warm", "cold"], repetitions=7), "--list")
    assert done.returncode == 0
    assert "few/csv/strict/warm/" in done.stdout and "14 samples" in done.stdout and "min" in done.stdout
    assert not bench.out.exists()


def rows_by_user(path: pathlib.Path) -> dict[str, list[bytes]]:
    rows: dict[str, list[bytes]] = collections.defaultdict(list)
    for line in path.read_bytes().splitlines()[1:]:
        rows[line.split(b",")[1].decode()].append(line)
    return rows


def test_own_files(bench):
    source = clicks.write(bench.folder / "clicks.csv", 500)
    bench.stack("a", "native()\n")
    plan = bench.plan(["a"], data="all")
    done = bench.run(plan, "--input", str(source))
    assert done.returncode == 0, done.stderr
    (data,) = bench.lines("data")
    assert (data["source"], data["truth"], data["bytes"]) == ("user", None, source.stat().st_size)
    assert bench.samples()["a"]["ledger"]["rows_in"] == 500


def test_sample_of_own_files_holds_whole_users(bench):
    source = clicks.write(bench.folder / "clicks.csv", 4000)
    packed = bench.folder / "more.csv.gz"
    packed.write_bytes(gzip.compress(clicks.write(bench.folder / "more.csv.tmp", 2000, seed=9).read_bytes()))
    bench.stack("a", "native()\n")
    size = source.stat().st_size // 3
    done = bench.run(
        bench.plan(["a"], data={"name": "third", "size": size}), "--input", str(source), str(packed)
    )
    assert done.returncode == 0, done.stderr
    made = sorted((bench.folder / "data").glob("own-*/part-*.csv"))
    assert len(made) == 2
    all_rows, chosen = rows_by_user(source), rows_by_user(made[0])
    assert 0 < len(chosen) < len(all_rows)
    for user, rows in chosen.items():
        assert rows == all_rows[user]
    again = rows_by_user(made[1])
    for user in set(again) & set(all_rows):  # one choice for all files
        assert user in chosen
    assert bench.samples()["a"]["ledger"]["rows_in"] == sum(map(len, (*chosen.values(), *again.values())))


def test_idiomatic_over_dirt_is_compared_with_itself(bench):
    """What each reader makes of a malformed record is its own."""
    loose = "native({'pipeline': {'sessions': {'gap_seconds': 60}}} if not job['pipeline']['input']['csv']['strict'] else {})"
    bench.stack("a", "native()\n")
    bench.stack("b", loose)
    plan = bench.plan(["a", "b"], parsing=["strict", "idiomatic"], repetitions=2)
    assert bench.run(plan).returncode == 0
    clean = bench.plan(["a", "b"], parsing="idiomatic", data={"name": "clean", "rows": 300, "dirt": "none"})
    bench.out.unlink()
    assert bench.run(clean).returncode == 1
    assert bench.samples()["b"]["status"] == "different"


def on_a_terminal(bench, command: list[str]) -> bytes:
    """What it shows there, on standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, env=bench.environment(), stderr=theirs, stdout=subprocess.DEVNULL, cwd=bench.folder
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert process.wait() == 0
    return shown


def test_run_shows_what_another_stack_does(bench):
    told = """
with open(job["events_file"], "a") as f:
    for name in ("start", "ready"):
        f.write(json.dumps({"t_ns": time.time_ns(), "event": name}) + "\\n")
    f.write(json.dumps({"t_ns": time.time_ns(), "event": "progress", "rows": 3_200_000}) + "\\n")
time.sleep(1)
native({"events_file": path + ".other"})
"""
    bench.stack("a", told)
    source = bench.folder / "a.csv"
    source.write_text(
        "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n1,u,2024-01-02T03:04:05Z,,,,\n"
    )
    command = [str(engine.BINARY), "run", "--stack", "a", "--lake", str(bench.folder / "lake")]
    command += ["--mmdb", str(bench.mmdb), str(source)]
    drawn = on_a_terminal(bench, command).split(b"\r\033[K")
    assert any(line.startswith(b"a  running  ") and line.endswith(b"  3.2 M rows") for line in drawn), drawn
    assert drawn[-1] == b"", "the line is erased"
    plain = subprocess.run(command, env=bench.environment(), capture_output=True, text=True, check=True)
    assert "running" not in plain.stderr and "\033" not in plain.stderr


def test_control_codes_on_a_terminal_only(bench):
    bench.stack("a", "time.sleep(0.5)\nnative()\n")
    plan = bench.plan(["a"])
    plain = bench.run(plan)
    assert plain.returncode == 0
    assert "\033" not in plain.stderr and "\r" not in plain.stderr and "1/1  a  few/csv" in plain.stderr
    bench.out.unlink()
    shown = on_a_terminal(bench, bench.command(plan))
    drawn = [part for part in shown.split(b"\r\033[K") if part.startswith(b"[")]
    assert any(b"0/1  a  " in line and b"few/csv" in line for line in drawn)
    assert max(map(len, drawn)) < 80, "a line that wraps stays on the terminal"
