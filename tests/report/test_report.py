"""weir report: tables, verdicts and when there is none, what is refused."""

from __future__ import annotations

import csv
import io
import json
import math
import pathlib
import random
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from tools import results
from tools.engine import BINARY

LABELS = [
    "Image Pull (s)",
    "Container Start (s)",
    "Init (s)",
    "Execution Time (s)",
    "Job Time (s)",
    "Total Time (s)",
]
LABELS += ["Peak Memory (MB)", "CPU time (s)", "Avg CPU (%)"]
TIMES = ("init_s", "execution_s", "job_s", "total_s", "cpu_s")


def weir(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120)


def report(*arguments: object) -> str:
    done = weir("report", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary(path: pathlib.Path, plan: results.Plan, tail: str = "") -> dict[str, Any]:
    return json.loads(report(results.write(path, plan, tail), "--json"))


def first_case(path: pathlib.Path, **changes: Any) -> dict[str, Any]:
    return summary(path, results.Plan(series=False, **changes))["cases"][0]


def row(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(label))


def slow(factor: float, which: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], None]:
    def change(sample: dict[str, Any]) -> None:
        if which(sample):
            for key in TIMES:
                sample["metrics"][key] *= factor

    return change


def alike(sample: dict[str, Any]) -> None:
    """spark becomes another pythonic."""
    if sample["stack"] == "spark":
        rng = random.Random(sample["id"])
        sample["metrics"].update({k: 10 * math.exp(rng.gauss(0, 0.02)) for k in TIMES})
    elif sample["stack"] == "pythonic":
        rng = random.Random(-sample["id"])
        sample["metrics"].update({k: 10 * math.exp(rng.gauss(0, 0.02)) for k in TIMES})


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "results.jsonl"


def test_table_has_the_agreed_layout(file: pathlib.Path) -> None:
    text = report(results.write(file))
    lines = text.splitlines()
    scope = "1.36 GB · 8.0 M rows · 2 CPU · 4 GB · n=10 · verified equal · Example CPU 3000 (1f00c0ff), 2026-11-27"
    assert lines[0] == f"ETL stack comparison · {scope}"
    assert lines[2].split() == ["Metric", "pythonic", "spark", "native*", "Winner", "(independent", "stacks)"]
    assert [line[: len(label)] for line, label in zip(lines[3:12], LABELS)] == LABELS
    assert "* made by weir's authors" in lines
    assert "– Image Pull: processes have no image (pythonic, spark, native)" in lines
    assert row(text, "Image Pull").split()[3:] == ["–"] * 4
    assert row(text, "Avg CPU").split()[-1] == "–"
    starts = {line.index("[") for line in lines[7:9]}
    assert len(starts) == 1, "columns are aligned"


def test_native_never_wins_though_it_is_the_fastest(file: pathlib.Path) -> None:
    case = first_case(file)
    medians = {s["stack"]: s["metrics"]["job_s"]["median"] for s in case["stacks"]}
    assert medians["native"] < medians["pythonic"] < medians["spark"]
    assert case["verdicts"]["job_s"]["winner"] == "pythonic"
    assert "native" not in {v["winner"] for v in case["verdicts"].values()}
    assert [s["stack"] for s in case["stacks"] if s["ours"]] == ["native"]
    beside = next(s["text"] for s in case["sentences"] if s["text"].startswith("native"))
    assert "made by weir's authors" in beside


def test_our_own_stack_alone_with_one_other_has_no_winner(file: pathlib.Path) -> None:
    case = first_case(file, stacks=("pythonic", "native"))
    verdict = case["verdicts"]["job_s"]
    assert (verdict["outcome"], verdict["why"]) == ("none", "there is only one independent stack")


def test_medians_and_intervals_are_those_of_the_samples(file: pathlib.Path) -> None:
    plan = results.Plan(series=False)
    case = summary(file, plan)["cases"][0]
    stored = [r for r in results.records(plan) if r["type"] == "sample" and r["aa"] != "b"]
    for stack in case["stacks"]:
        values = sorted(r["metrics"]["job_s"] for r in stored if r["stack"] == stack["stack"])
        cell = stack["metrics"]["job_s"]
        assert cell["values"] == pytest.approx(values)
        assert cell["median"] == pytest.approx(statistics.median(values))
        assert (cell["interval"]["low"], cell["interval"]["high"]) == pytest.approx((values[1], values[8]))
        assert cell["interval"]["coverage"] == pytest.approx(1 - 2 * 11 / 1024)
    ids = {s["stack"]: [x["id"] for x in case["samples"] if x["stack"] == s["stack"]] for s in case["stacks"]}
    said = case["sentences"][0]["samples"]
    named = {int(n) for part in said.split(";") for n in expand(part.strip().split(" ", 1)[1])}
    twins = {r["id"] for r in results.records(plan) if r.get("aa") == "b"}
    assert named == set(ids["pythonic"] + ids["spark"]) - twins


def expand(names: str) -> list[int]:
    out: list[int] = []
    for part in names.split(", "):
        first, _, last = part.partition("–")
        out += range(int(first), int(last or first) + 1)
    return out


def test_equal_stacks_tie(file: pathlib.Path) -> None:
    case = first_case(file, change=alike)
    assert case["verdicts"]["job_s"]["outcome"] == "tie"
    assert "tie in job time" in case["sentences"][0]["text"]
    assert row(report(file), "Job Time").split()[-1] == "tie"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": 9}, "A against A has n=9 and 10"),
        ({"n": 12, "change": slow(1.0, lambda s: False), "twins": 0}, "A against A was not run"),
        ({"twins": 4}, "A against A has n=10 and 4"),
        ({"change": slow(1.1, lambda s: s["aa"] == "b")}, "A against A is not a tie"),
    ],
)
def test_no_verdict_without_enough_evidence(file: pathlib.Path, changes: dict[str, Any], why: str) -> None:
    case = first_case(file, **changes)
    verdict = case["verdicts"]["job_s"]
    assert verdict["outcome"] == "none"
    assert why in verdict["why"]
    assert why in report(file)
    assert case["seals"]["a_against_a"]["state"] != "holds"
    assert case["sentences"][0]["text"].startswith("No verdict on the job time")


def test_the_gate_is_for_each_metric(file: pathlib.Path) -> None:
    case = first_case(file, change=slow(1.1, lambda s: s["aa"] == "b"))
    assert case["verdicts"]["peak_anon_bytes"]["winner"] == "pythonic"
    assert case["seals"]["a_against_a"]["state"] == "broken"


def test_few_samples_of_one_stack(file: pathlib.Path) -> None:
    def fail(sample: dict[str, Any]) -> None:
        if sample["stack"] == "spark" and sample["repetition"] > 7:
            sample["status"], sample["error"] = "oom", "killed at 4 GB"

    case = first_case(file, change=fail)
    assert case["verdicts"]["job_s"]["why"] == "not enough samples: n=7, 10 are needed"
    text = report(file)
    assert "spark: 3 of 10 runs gave no timing: 3 oom (killed at 4 GB)." in text
    assert "n=7–10" in text.splitlines()[0]


def test_intervals_need_six_samples(file: pathlib.Path) -> None:
    text = report(results.write(file, results.Plan(n=5, twins=5)))
    assert row(text, "Job Time").count("(n=5)") == 3
    assert "[" not in row(text, "Job Time")
    assert first_case(file, n=6)["stacks"][0]["metrics"]["job_s"]["interval"]["coverage"] == pytest.approx(
        0.96875
    )


def test_a_leader_that_fails_sometimes_does_not_win(file: pathlib.Path) -> None:
    def fail(sample: dict[str, Any]) -> None:
        if sample["stack"] == "pythonic" and sample["repetition"] == 12:
            sample["status"] = "timeout"

    case = first_case(file, n=12, change=fail)
    assert case["verdicts"]["job_s"]["outcome"] == "none"
    assert "pythonic leads, but 1 of its 12 runs gave no timing" in case["verdicts"]["job_s"]["why"]


def test_unverified_runs_have_no_timing(file: pathlib.Path) -> None:
    def lie(sample: dict[str, Any]) -> None:
        if sample["stack"] == "spark":
            sample["metrics"]["job_s"] = 0.001
            sample["verified"] = False

    case = first_case(file, change=lie)
    spark = next(s for s in case["stacks"] if s["stack"] == "spark")
    assert (spark["usable"], spark["metrics"]["job_s"]["n"]) == (0, 0)
    assert case["seals"]["results_equal"]["state"] == "broken"
    assert "0.001" not in report(file)
    assert all(x["metrics"] is None for x in case["samples"] if x["stack"] == "spark")
    assert "10 not verified" in report(file)


def test_different_digests_allow_no_verdict(file: pathlib.Path) -> None:
    def other(sample: dict[str, Any]) -> None:
        if sample["stack"] == "spark":
            sample["digest"] = "ffff:0000"

    case = first_case(file, change=other)
    assert case["seals"]["results_equal"]["state"] == "broken"
    assert {v["outcome"] for v in case["verdicts"].values()} == {"none"}
    assert "NOT verified equal" in report(file).splitlines()[0]


@pytest.mark.parametrize(
    ("part", "key", "value", "state", "why"),
    [
        ("seen", "cpus", 4, "broken", "spark saw 4 CPUs, not 2"),
        ("metrics", "peak_memory_bytes", 4.2e9, "broken", "spark took 4200 MB of memory, not 4000 at most"),
        ("", "flags", ["budget:saw 8 CPUs of 2"], "broken", "spark: saw 8 CPUs of 2"),
        ("", "flags", ["no memory limit"], "unknown", "memory could not be limited"),
        ("", "seen", {}, "unknown", "1 of 30 runs do not say what they found"),
        ("seen", "memory_bytes", 24e9, "holds", "all 30 runs"),  # of the machine; the kernel held it to 4 GB
    ],
)
def test_budgets(file: pathlib.Path, part: str, key: str, value: Any, state: str, why: str) -> None:
    def change(sample: dict[str, Any]) -> None:
        if sample["stack"] == "spark" and sample["repetition"] == 4:
            (sample[part] if part else sample)[key] = value

    seal = first_case(file, change=change)["seals"]["budgets"]
    assert seal["state"] == state and why in seal["why"]


def test_cases_come_in_the_plans_order_and_flags_are_counted(file: pathlib.Path) -> None:
    def busy(sample: dict[str, Any]) -> None:
        if sample["repetition"] == 2 and sample["aa"] != "b":
            sample["flags"] = ["busy:40%"]

    records = results.records(results.Plan(sizes=(("big", 2000), ("small", 1000)), series=False, change=busy))
    records[0]["plan"]["cases"] = ["small/csv/strict/warm/2cpu/4GB", "big/csv/strict/warm/2cpu/4GB"]
    file.write_text("".join(json.dumps(r) + "\n" for r in records))
    text = report(file)
    assert [line.split("/")[0] for line in text.splitlines() if line.startswith("Case")] == [
        "Case small",
        "Case big",
    ]
    assert 'flagged "busy": 3 of 30 runs' in text


def test_false_differences_are_counted(file: pathlib.Path) -> None:
    rate = first_case(file)["false_differences"]
    assert rate["relabelings"] == 2000
    assert 0 < rate["differences"] <= 100


def test_outliers_are_flagged_and_kept(file: pathlib.Path) -> None:
    case = first_case(file, change=slow(3, lambda s: s["stack"] == "spark" and s["repetition"] == 5))
    cell = next(s for s in case["stacks"] if s["stack"] == "spark")["metrics"]["job_s"]
    assert (cell["n"], cell["outliers"]) == (10, 1)
    flagged = [x for x in case["samples"] if "job_s" in x["outlier_in"]]
    assert [(x["stack"], x["repetition"]) for x in flagged] == [("spark", 5)]
    assert "spark: 1 of 10 job times is an outlier by the MAD rule; flagged and kept" in report(file)


def test_files_stand_side_by_side_and_are_not_pooled(tmp_path: pathlib.Path) -> None:
    one = results.write(tmp_path / "one.jsonl", results.Plan(series=False))
    two = results.write(tmp_path / "two.jsonl", results.Plan(seed=2, machine="two", series=False))
    text = report(one, two)
    heads = [line for line in text.splitlines() if line.startswith("ETL stack comparison")]
    assert [("n=10" in h, "Example CPU" in h, "Other CPU" in h) for h in heads] == [
        (True, True, False),
        (True, False, True),
    ]
    alone = [report(one), report(two)]
    for label in LABELS:
        assert row(text, label) == row(alone[0], label)


def test_one_file_of_two_machines_is_not_pooled(tmp_path: pathlib.Path) -> None:
    both = tmp_path / "both.jsonl"
    plans = [results.Plan(series=False), results.Plan(seed=2, machine="two", series=False)]
    both.write_text("".join(results.write(tmp_path / "x", plan).read_text() for plan in plans))
    cases = json.loads(report(both, "--json"))["cases"]
    assert [(c["machine"][:7], c["stacks"][0]["runs"]) for c in cases] == [("Example", 10), ("Other C", 10)]
    assert cases[0]["verdicts"]["job_s"]["a_against_a"] != cases[1]["verdicts"]["job_s"]["a_against_a"]


def test_a_resumed_benchmark_is_one(tmp_path: pathlib.Path) -> None:
    plan = results.Plan(series=False)
    records = results.records(plan)
    again = [*records[:30], records[0], *records[30:]]
    path = tmp_path / "resumed.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in again))
    cases = json.loads(report(path, "--json"))["cases"]
    assert [(len(cases), s["runs"]) for s in cases[0]["stacks"]] == [(1, 10)] * 3


def test_csv_and_markdown_say_the_same(file: pathlib.Path) -> None:
    text = report(results.write(file, results.Plan(series=False)))
    lines = list(csv.DictReader(io.StringIO(report(file, "--csv"))))
    case = json.loads(report(file, "--json"))["cases"][0]
    assert len(lines) == 3 * len(case["verdicts"])
    for line in lines:
        stack = next(s for s in case["stacks"] if s["stack"] == line["stack"])
        cell = stack["metrics"][line["metric"]]
        assert int(line["n"]) == cell["n"]
        if cell["n"]:
            assert float(line["median"]) == pytest.approx(cell["median"], rel=1e-9)
        verdict = case["verdicts"][line["metric"]]
        assert (line["verdict"], line["winner"] or None) == (verdict["outcome"], verdict["winner"])
    markdown = report(file, "--markdown").splitlines()
    job = next(line for line in markdown if line.startswith("| Job Time"))
    assert [c.strip() for c in job.strip("|").split("|")][1].split() == row(text, "Job Time").split()[3:6]
    assert {line.count("|") for line in markdown if line.startswith("|")} == {6}


def test_torn_and_newer_files(file: pathlib.Path) -> None:
    assert "its last line broke off" in report(results.write(file, tail='{"type":"sample","id":'))
    assert "did not end" in report(results.write(file, results.Plan(end=False)))
    results.write(file, tail='{"type":"run","schema":2,"weir":"0.9.0"}\n')
    done = weir("report", file)
    assert done.returncode == 3 and not done.stdout
    line = len(file.read_text().splitlines())
    assert done.stderr.startswith(f"weir: {file}:{line}: written by a newer weir (schema 2")


def test_it_must_be_known_who_made_a_stack(file: pathlib.Path) -> None:
    records = [
        r for r in results.records(results.Plan()) if (r["type"], r.get("stack")) != ("stack", "native")
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in records))
    done = weir("report", file)
    assert done.returncode == 3 and 'samples of "native" but no line that says who made it' in done.stderr


def test_only_a_run_record_yet(file: pathlib.Path) -> None:
    file.write_text(json.dumps(results.records(results.Plan())[0]) + "\n")
    assert "no samples yet" in report(file)
    assert report(file, "--html", file.with_suffix(".html"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["x.jsonl"], 3), (["/dev/null"], 3), (["--csv", "--json", "x"], 2), (["x", "x"], 2)],
)
def test_wrong_use(tmp_path: pathlib.Path, arguments: list[str], code: int) -> None:
    done = subprocess.run([BINARY, "report", *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr.startswith("weir: ") and done.stderr.count("\n") == 1


def test_three_independent_stacks_name_those_that_tie(tmp_path: pathlib.Path) -> None:
    records = results.records(results.Plan(series=False, change=alike))
    for r in records:  # native becomes a third independent stack, the slowest
        if r["type"] == "stack" and r["stack"] == "native":
            r["made_by"] = "others"
        if r["type"] == "sample" and r["stack"] == "native":
            r["metrics"]["job_s"] *= 30
    path = tmp_path / "three.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    verdict = json.loads(report(path, "--json"))["cases"][0]["verdicts"]["job_s"]
    assert verdict["outcome"] == "tie"
    assert set(verdict["why"].split(", ")) == {"pythonic", "spark"}
    # Three comparisons: each interval covers 1 - 0.05 / 3.
    assert {round(p["interval"]["coverage"], 4) for p in verdict["pairs"]} == {0.9833}


def test_costs_are_total_time_at_the_prices_named(file: pathlib.Path) -> None:
    made = summary(file, results.Plan(series=False))
    case, prices = made["cases"][0], made["prices"]
    assert not prices["own"] and [c["stack"] for c in case["costs"]] == ["pythonic", "spark", "native"]
    second = (2 * prices["cpu_hour"] + 4 * prices["gb_hour"]) / 3600
    for cost, stack in zip(case["costs"], case["stacks"]):
        total = stack["metrics"]["total_s"]
        assert cost["run"] == pytest.approx(total["median"] * second)
        assert cost["low"] == pytest.approx(total["interval"]["low"] * second)
        assert cost["high"] == pytest.approx(total["interval"]["high"] * second)
        assert cost["per_month"] == pytest.approx(cost["run"] * prices["runs_per_month"])
        assert cost["per_gb"] == pytest.approx(cost["run"] / (case["bytes"] / 1e9))
    assert "(assumed: 0.04048 a CPU hour" in report(file)


def test_prices_of_ones_own(file: pathlib.Path) -> None:
    before = summary(file, results.Plan(series=False))["cases"][0]["costs"][0]["run"]
    prices = file.with_name("prices.yaml")
    prices.write_text(
        "{currency: EUR, cpu_hour: 0.08096, gb_hour: 0.00889, runs_per_month: 30, source: our offer}"
    )
    made = json.loads(report(file, "--json", "--prices", prices))
    assert made["prices"]["own"] and made["prices"]["currency"] == "EUR"
    assert made["cases"][0]["costs"][0]["run"] == pytest.approx(2 * before)
    assert "cost (EUR" in report(file, "--prices", prices)
    for text, why in (
        ("cpu_hours: 1", "unknown key; allowed: currency"),
        ("cpu_hour: -1", "must be a number from 0"),
        ("cpu_hour: cheap", "must be a number from 0"),
        ("currency: 3", "must be text"),
        ("[1]", "must be a mapping"),
        ("a: [", "prices.yaml"),
    ):
        prices.write_text(text)
        done = weir("report", file, "--prices", prices)
        assert done.returncode == 3 and why in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert weir("report", file, "--prices", file.with_name("none.yaml")).returncode == 3


@pytest.mark.parametrize(
    ("why", "widest", "said"),
    [
        ("narrow", 0.034, "precise enough; the widest interval of a median job time is 3.4 % of it"),
        ("budget", None, "the budget was used up"),
    ],
)
def test_why_a_case_ended_early_is_said(
    file: pathlib.Path, why: str, widest: float | None, said: str
) -> None:
    records = results.records(results.Plan(series=False))
    name = next(r["case"] for r in records if r["type"] == "sample")
    stop = {"type": "stop", "case": name, "repetitions": 10, "why": why, "widest": widest}
    file.write_text("".join(json.dumps(r) + "\n" for r in [*records[:-1], stop, records[-1]]))
    assert f"ended after 10 repetitions: {said}\n" in report(file)
    assert json.loads(report(file, "--json"))["cases"][0]["stop"]["why"] == why
