"""weir gen's truth, known by construction, equals what the pipeline and the slow reference find."""

from __future__ import annotations

import datetime
import json
from collections import Counter

import pytest
from reference import pipeline_reference as reference
from tools import engine

KEEP = [
    {"name": "status", "type": "long"},
    {"name": "bytes", "type": "long"},
    {"name": "user_agent", "type": "string"},
    {"name": "load_time", "type": "double"},
]
PIPELINE = {"input": {"keep": KEEP}}


def generate(folder, mmdb, *args):
    done = engine.weir("gen", "--mmdb", mmdb, "--out", folder, *args)
    assert done.code == 0, done.err
    files = sorted(folder.glob("events*"))
    return files, json.loads((folder / "truth.json").read_text())


def nulled_of(truth: dict) -> dict:
    return {name: n for name, n in truth["nulled"].items() if n}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dirt", ["none", "some", "much"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_truth_is_the_ledger(lake, tmp_path, real_mmdb, form, seed, dirt):
    if not engine.stack_has(form):
        pytest.skip(f"the stack {engine.STACK} reads no {form}")
    what = ("--rows", 20_000 + seed, "--seed", seed, "--dirt", dirt, "--files", seed, "--format", form)
    files, truth = generate(tmp_path / "data", real_mmdb, *what)
    (tmp_path / "pipeline.yaml").write_text(json.dumps(PIPELINE))
    done = lake.run(files, real_mmdb, "--threads", seed, pipeline=tmp_path / "pipeline.yaml")
    for key in ("rows_in", "rows_out", "rejected", "sessions", "users"):
        assert done.ledger[key] == truth[key], key
    summary = lake.read("events").summary
    for column in KEEP:
        name = column["name"]
        assert int(summary[f"weir.nulled.{name}"]) == truth["nulled"].get(name, 0), name
    db = engine.duckdb_connection()
    path = engine.local_path(lake.location("events"))
    rows = db.execute(f"select epoch_us(event_time), country from iceberg_scan('{path}')").fetchall()
    days = Counter(
        str(datetime.date(1970, 1, 1) + datetime.timedelta(us // 86_400_000_000)) for us, _ in rows
    )
    assert days == Counter(truth["days"])
    assert Counter(c for _, c in rows) == Counter(truth["countries"])
    if dirt != "none":  # every reason occurs
        possible = set(reference.REASONS) - ({"malformed_row"} if form == "parquet" else set())
        assert {reason for reason, n in truth["rejected"].items() if n} == possible


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_truth_is_the_reference(tmp_path, real_mmdb, form):
    what = ("--rows", 15_000, "--seed", 9, "--dirt", "much", "--format", form)
    files, truth = generate(tmp_path / "data", real_mmdb, *what)
    found = reference.run([(f.name, f.read_bytes()) for f in files], PIPELINE, str(real_mmdb))
    assert (found.rows_in, found.rows_out, found.sessions, found.users) == tuple(
        truth[k] for k in ("rows_in", "rows_out", "sessions", "users")
    )
    assert found.rejected == truth["rejected"]
    assert {k: n for k, n in found.nulled.items() if n} == nulled_of(truth)
    assert Counter(e[10] for e in found.events) == Counter(truth["countries"])


def test_same_seed_same_bytes(tmp_path, real_mmdb):
    seen = set()
    for threads in (1, 2, 7):
        folder = tmp_path / str(threads)
        files, truth = generate(folder, real_mmdb, "--rows", 30_000, "--seed", 4, "--threads", threads)
        seen.add((tuple(f.read_bytes() for f in files), json.dumps(truth)))
    files, _ = generate(tmp_path / "other", real_mmdb, "--rows", 30_000, "--seed", 5)
    assert len(seen) == 1
    assert files[0].read_bytes() not in next(iter(seen))[0]
