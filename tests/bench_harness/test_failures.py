"""Stacks that crash, hang, run out of memory or lie: each is a result of its own without a time, and the others
go on."""

from __future__ import annotations

import pytest
from tools import clicks

TIMES = (
    "init_s",
    "execution_s",
    "job_s",
    "total_s",
    "flush_s",
    "process_start_s",
    "cpu_s",
    "avg_cpu_percent",
)
EVENT = """
def event(name, at=None):
    with open(job["events_file"], "a") as f:
        f.write(json.dumps({"t_ns": at or time.time_ns(), "event": name}) + "\\n")
"""
BAD = {
    "crash": ("failed", "signal 6", "r = load('crash')\nos.kill(os.getpid(), 6)"),
    "exits": ("failed", "exit code 7", "sys.exit(7)"),
    "silent": ("failed", "start", "pass"),
    "no-result": ("failed", "result file", "native()\nos.remove(job['result_file'])"),
    "no-commit": (
        "failed",
        "committed",
        "native()\nt = open(job['events_file']).read()\nopen(job['events_file'], 'w').write(t.replace('committed', 'x'))",
    ),
    "hang": ("timeout", "3 s", "load('hang')"),
    "greedy": ("oom", "out of memory", "sys.exit(load('memory', 900_000_000) and 1)"),
    "drops-rows": (
        "different",
        "rows_in",
        "lines = open(job['inputs'][0], 'rb').readlines()\n"
        "mine = path + '.csv'\n"
        "open(mine, 'wb').writelines(lines[:-5])\n"
        "native({'inputs': [mine]})",
    ),
    "other-gap": ("different", "sessions", "native({'pipeline': {'sessions': {'gap_seconds': 60}}})"),
    "other-ip": ("different", "ip_address", "native({'pipeline': {'geo': {'ip': 'drop'}}})"),
    "lies-rows": (
        "lied",
        "rows out",
        "r = native()\nr['rows_out'] += 1\nr['rows_in'] += 1\njson.dump(r, open(job['result_file'], 'w'))",
    ),
    "lies-reject": (
        "lied",
        "bad_timestamp",
        "r = native()\nr['rejected']['bad_timestamp'] += 1\njson.dump(r, open(job['result_file'], 'w'))",
    ),
    "lies-time": (
        "lied",
        "committed",
        EVENT + "event('start')\nevent('ready')\nevent('committed')\ntime.sleep(0.3)\n"
        "native({'events_file': path + '.other'})\nevent('done')",
    ),
    "from-the-past": (
        "lied",
        "before",
        EVENT
        + "event('start', time.time_ns() - 10**10)\nevent('ready')\nnative({'events_file': path + '.o'})\n"
        "event('committed')\nevent('done')",
    ),
    "says-only": (
        "lied",
        "committed",
        EVENT + "[event(n) for n in ('start', 'ready', 'committed', 'done')]\n"
        "json.dump({'rows_in': 1, 'rows_out': 1, 'sessions': 1, 'users': 1, 'rejected': {},"
        " 'tables': {'events': {}}}, open(job['result_file'], 'w'))",
    ),
    "other-run": ("lied", "run", "native({'run_id': 'another'})"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, load_program):
    """All bad stacks beside a good one, in one benchmark."""
    from bench_harness import conftest

    bench = conftest.make(load_program)
    bench.stack("good", "native()\n")
    for name, (_, _, body) in BAD.items():
        bench.stack(name, body)
    # The good one comes first, so that others are compared with it: seeds are tried until it does.
    plan = bench.plan(["good", *BAD], timeout="3s", resources={"memory": "500MB"}, seed=GOOD_FIRST)
    done = bench.run(plan, timeout=300)
    yield bench, done
    bench.close()


GOOD_FIRST = 2


def test_the_others_go_on(outcome):
    bench, done = outcome
    assert done.returncode == 1, done.stderr
    assert "not right" in done.stderr
    samples = bench.samples()
    assert set(samples) == {"good", *BAD}
    assert samples["good"]["status"] == "ok" and samples["good"]["verified"]
    assert samples["good"]["metrics"]["job_s"] > 0
    assert bench.lines()[-1]["type"] == "end"


@pytest.mark.parametrize("name", BAD)
def test_is_a_result_of_its_own(outcome, name):
    bench, _ = outcome
    sample = bench.samples()[name]
    status, word, _ = BAD[name]
    assert (sample["status"], sample["verified"]) == (status, False), sample["error"]
    assert word in sample["error"]
    assert [t for t in TIMES if sample["metrics"][t] is not None] == []
    assert (bench.folder / sample["output"]).exists()


def test_output_is_kept(outcome):
    bench, _ = outcome
    bench_dir = bench.out.with_suffix(".d")
    assert sorted(p.name for p in bench_dir.iterdir()) == ["output"]
    assert len(list((bench_dir / "output").iterdir())) == len(BAD) + 1


def test_what_is_left_behind_is_ended(bench):
    bench.stack("leaves", "load('daemon')\nnative()\n")
    done = bench.run(bench.plan(["leaves"]))
    assert done.returncode == 0, done.stderr
    assert bench.samples()["leaves"]["flags"][-1:] == ["left_behind:1"] or "left_behind:1" in (
        bench.samples()["leaves"]["flags"]
    )
    assert bench.running() == []


@pytest.mark.parametrize("groups", ["on", "off"])
def test_deaf_to_sigterm(bench, groups):
    """After ten seconds it is killed, with all it started."""
    bench.env["WEIR_CGROUPS"] = groups
    bench.stack("deaf", "import signal\nsignal.signal(15, signal.SIG_IGN)\nload('daemon')\nload('deaf')")
    done = bench.run(bench.plan(["deaf"], timeout="4s"))
    assert done.returncode == 1
    assert bench.samples()["deaf"]["status"] == "timeout"
    assert bench.running() == []


def test_a_stack_that_fails_twice_is_not_tried_again(bench):
    bench.stack("exits", "sys.exit(7)")
    bench.stack("good", "native()\n")
    done = bench.run(bench.plan(["exits", "good"], repetitions=4))
    assert done.returncode == 1, done.stderr
    stacks = [s["stack"] for s in bench.lines("sample")]
    assert (stacks.count("exits"), stacks.count("good")) == (2, 4)


@pytest.mark.parametrize("stacks", [["liar"], ["good", "liar"]])
def test_counts_that_nobody_knows_are_counted(bench, stacks):
    """Of one's own files there is no truth: sessions are counted in the table, or known from an equal one."""
    source = clicks.write(bench.folder / "clicks.csv", 300)
    bench.stack("good", "native()\n")
    bench.stack("liar", "r = native()\nr['sessions'] += 1\njson.dump(r, open(job['result_file'], 'w'))\n")
    done = bench.run(bench.plan(stacks, data="all", repetitions=2), "--input", str(source))
    assert done.returncode == 1, done.stderr
    for sample in bench.lines("sample"):
        assert sample["status"] == ("lied" if sample["stack"] == "liar" else "ok"), sample["error"]
        assert sample["stack"] == "good" or "sessions" in sample["error"]
