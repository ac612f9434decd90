"""Input read once: events that come late, tie or repeat across the units the engine reads, against the slow
reference; and input that turns out not to be ordered, which is read again.

A unit here is one chunk of half a megabyte, some 3,000 rows; files hold seven and more of them.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

import pytest
from reference import pipeline_reference as reference
from tools import clicks, engine

ROWS = 21_000
START = datetime.datetime(2024, 3, 1)
HEADER = "event_id,user_id,timestamp,page_url,referrer,device,ip_address,status\n"
KEEP = [{"name": "status", "type": "long"}]
PAD = "x" * 60  # rows of about 170 bytes
Row = tuple[float, str]  # when it reaches the log, in rows; its line


def line(n: int, user: int, second: float, event_id: str | None = None, page: int | None = None) -> str:
    when = (START + datetime.timedelta(seconds=second)).isoformat(timespec="milliseconds")
    return (
        f"{event_id or f'e{n:07d}'},u{user},{when}Z,/p/{n if page is None else page}/{PAD},,Mobile,"
        f"10.0.{user % 256}.1,{n % 7 and n}\n"
    )


def log(seed: int, extra: Callable[[random.Random, int, int, int], list[Row]]) -> list[str]:
    """Clicks of 40 visitors in order of time, whole seconds, and what `extra` adds for click n of a user at a
    second; sorted by when they reach the log."""
    r = random.Random(seed)
    rows: list[Row] = []
    second = 0
    for n in range(ROWS):
        second += r.choice((0, 0, 1, 3)) if r.random() < 0.999 else 1500
        user = r.randrange(40)
        rows.append((n, line(n, user, second)))
        rows += extra(r, n, user, second)
    return [text for _, text in sorted(rows, key=lambda row: row[0])]


def late_and_twice(r: random.Random, n: int, user: int, second: int) -> list[Row]:
    """Up to 2,000 rows later: events of a minute ago, of this second, and copies with another page."""
    arrives = n + r.random() * 2000
    kind = r.random()
    if kind < 0.02:
        return [(arrives, line(ROWS + n, user, second - r.randrange(60) + 0.5))]
    if kind < 0.04:
        return [(arrives, line(ROWS + n, user, second, event_id=f"d{n}"))]
    if kind < 0.06:
        return [(arrives, line(n, user, second, page=r.randrange(10)))]
    if kind < 0.07:
        return [(arrives, "not,enough,fields\n")]
    return []


def one_much_later(second_too: bool, rare: bool) -> Callable[[random.Random, int, int, int], list[Row]]:
    """Click 5,000 again, 10,000 rows later, in the same second or one before; `rare`: of a visitor who does
    nothing else."""

    def extra(r: random.Random, n: int, user: int, second: int) -> list[Row]:
        if n != 5_000:
            return []
        late = second - (0 if second_too else 1)
        if rare:
            first = line(n, 99, second, event_id="rare")
            return [(n + 0.5, first), (n + 10_000.5, line(n, 99, late, event_id="late"))]
        return [(n + 10_000.5, line(n, user, late, event_id="late"))]

    return extra


def run_and_compare(lines: list[str], small_mmdb, tmp_path, threads: int) -> int:
    """How often the engine read the input, whose result equals the reference's."""
    third = len(lines) // 3
    parts = [lines[:third], lines[third:]]
    files = {f"part{i}.csv": (HEADER + "".join(part)).encode() for i, part in enumerate(parts)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("input: {keep: [{name: status, type: long}]}\n")
    expected = reference.run(list(files.items()), {"input": {"keep": KEEP}}, str(small_mmdb))
    lake = engine.Lake(tmp_path / "lake")
    inputs = [tmp_path / name for name in files]
    done = lake.run(inputs, small_mmdb, "--threads", str(threads), pipeline=pipeline)
    assert engine.compare(lake, expected, done, ["status"]) == []
    return done.ledger["seen"]["passes"]


@pytest.mark.skipif(bool(engine.STACK), reason="how the native engine reads")
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_settled_in_one_pass(small_mmdb, tmp_path, threads):
    lines = log(threads, late_and_twice)
    assert run_and_compare(lines, small_mmdb, tmp_path, threads) == 1


@pytest.mark.skipif(bool(engine.STACK), reason="how the native engine reads")
@pytest.mark.parametrize("second_too", [False, True])
@pytest.mark.parametrize("rare", [False, True])
def test_read_again(small_mmdb, tmp_path, second_too, rare):
    lines = log(9, one_much_later(second_too, rare))
    assert run_and_compare(lines, small_mmdb, tmp_path, 2) == 2


@pytest.mark.skipif(bool(engine.STACK), reason="how the native engine reads")
def test_shuffled_is_read_twice(small_mmdb, tmp_path):
    lines = log(5, late_and_twice)
    random.Random(5).shuffle(lines)
    assert run_and_compare(lines, small_mmdb, tmp_path, 2) == 2


@pytest.mark.skipif(bool(engine.STACK), reason="how the native engine bounds its memory")
@pytest.mark.parametrize("two_scans", [False, True])
@pytest.mark.parametrize("kind", ["rejected", "kept"])
def test_short_records_keep_the_memory_bound(small_mmdb, tmp_path, kind, two_scans):
    """Millions of records of a few bytes: what is held for each is many times its text."""
    header = HEADER.replace(",status", "")
    if kind == "rejected":
        text = header + "x\n" * 3_000_000
    else:
        text = header + "".join(f"{i},{i % 100},{i // 3},,,,\n" for i in range(600_000))
    (tmp_path / "short.csv").write_text(text)
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("clean: {timestamp: epoch_s}\n")
    done = engine.Lake(tmp_path / "lake").run(
        [tmp_path / "short.csv"],
        small_mmdb,
        *("--threads", "2", "--memory", "64MB"),
        pipeline=pipeline,
        env={"WEIR_TWO_SCANS": "1"} if two_scans else None,
    )
    assert done.ledger["seen"]["passes"] == (2 if two_scans else 1)
    assert done.ledger["peak_memory_bytes"] < 64_000_000


@pytest.mark.skipif(bool(engine.STACK), reason="how the native engine bounds its memory")
def test_many_days_keep_the_memory_bound(small_mmdb, tmp_path):
    """Shuffled, so that all days are at hand at once: each takes as much as its rows do."""
    days = clicks.write(tmp_path / "days.csv", 60_000, days=2_500, shuffled=True)
    done = engine.Lake(tmp_path / "lake").run([days], small_mmdb, "--threads", "2", "--memory", "64MB")
    assert done.ledger["seen"]["passes"] == 2
    assert done.ledger["peak_memory_bytes"] < 100_000_000
