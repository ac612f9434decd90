"""weir compare: what got slower or faster between two results."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any

import pytest
from tools import results
from tools.engine import BINARY


def compare(before: pathlib.Path, after: pathlib.Path, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        [BINARY, "compare", *more, before, after], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def make(path: pathlib.Path, seed: int, **changes: Any) -> pathlib.Path:
    return results.write(path, results.Plan(seed=seed, series=False, **changes))


def judged(
    before: pathlib.Path, after: pathlib.Path
) -> tuple[int, dict[str, Any], dict[tuple[str, str], str]]:
    code, text = compare(before, after, "--json")
    found = json.loads(text)
    return code, found, {(r["stack"], r["metric"]): r["verdict"] for r in found["rows"]}


@pytest.fixture
def before(tmp_path: pathlib.Path) -> pathlib.Path:
    return make(tmp_path / "before.jsonl", 1)


def test_slower(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    after = make(tmp_path / "after.jsonl", 12, factor={"pythonic": 1.08})
    code, found, verdicts = judged(before, after)
    assert code == 1 and found["slower_found"]
    assert verdicts["pythonic", "job_s"] == "slower"
    assert {v for (stack, _), v in verdicts.items() if stack != "pythonic"} <= {"tie", "none"}
    row = next(r for r in found["rows"] if (r["stack"], r["metric"]) == ("pythonic", "job_s"))
    assert row["interval"][0] < 1.08 < row["interval"][1]
    assert row["ratio"] == pytest.approx(row["after"] / row["before"])
    code, text = compare(before, after)
    assert code == 1 and "SLOWER" in text and f"{found['slower']} slower" in text


def test_faster_is_no_failure(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    after = make(tmp_path / "after.jsonl", 12, factor={"spark": 0.9})
    code, found, verdicts = judged(before, after)
    assert code == 0 and found["faster"] > 0
    assert verdicts["spark", "job_s"] == "faster"


def test_noise_is_rarely_called_a_change(tmp_path: pathlib.Path) -> None:
    """Some 20 comparisons each, 20 times: all hold together at 95 %, so one alarm is to be expected."""
    paths = [make(tmp_path / f"{seed}.jsonl", seed) for seed in range(100, 121)]
    alarms = sum(compare(a, b)[0] for a, b in zip(paths, paths[1:]))
    assert alarms <= 3


def test_same_file_is_all_ties(before: pathlib.Path) -> None:
    code, found, verdicts = judged(before, before)
    assert code == 0
    assert set(verdicts.values()) == {"tie"}
    assert found["level_each"] == pytest.approx(1 - 0.05 / len(verdicts))


def test_no_verdict_where_a_against_a_differs(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    def drift(sample: dict[str, Any]) -> None:
        if sample["aa"] == "b":
            sample["metrics"]["job_s"] *= 1.2

    after = make(tmp_path / "after.jsonl", 12, factor={"pythonic": 1.08}, change=drift)
    _, found, verdicts = judged(before, after)
    assert verdicts["pythonic", "job_s"] == "none"
    assert verdicts["pythonic", "execution_s"] == "slower"
    why = next(r["why"] for r in found["rows"] if r["metric"] == "job_s")
    assert why == "A against A is not a tie after"


def test_what_cannot_be_compared_is_said(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = make(tmp_path / "other.jsonl", 3, machine="two", stacks=("pythonic", "native"))
    _, found, _ = judged(before, other)
    notes = " ".join(found["notes"])
    assert "another machine after" in notes and "spark is only in the first" in notes
    nothing = make(tmp_path / "nothing.jsonl", 3, sizes=(("large", 1000),))
    code, text = compare(before, nothing)
    assert code == 3 and "no case and stack with measurements in common" in text
    assert compare(before, tmp_path / "absent")[0] == 3


def test_few_samples(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    code, found, verdicts = judged(before, make(tmp_path / "few.jsonl", 3, n=8, factor={"pythonic": 2}))
    assert code == 0 and set(verdicts.values()) == {"none"}
    assert found["without_verdict"] == len(verdicts)


def test_failures_are_noted(before: pathlib.Path, tmp_path: pathlib.Path) -> None:
    def fail(sample: dict[str, Any]) -> None:
        if sample["stack"] == "spark" and sample["repetition"] <= 2:
            sample["status"] = "oom"

    _, text = compare(before, make(tmp_path / "after.jsonl", 9, n=12, change=fail))
    assert "spark gave no timing in 0 of 10 runs before, 2 of 12 after" in text
