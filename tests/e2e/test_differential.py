"""Random nasty files: the stack's tables equal the slow reference's, row for row.

WEIR_TEST_SEEDS: how many seeds in all (default 400); WEIR_TEST_SEED: the first one (default 1), so that
longer hunts need no change here. A failure names its seed; grammar.py writes its files.
"""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest
from reference import pipeline_reference as reference
from tools import engine

from e2e import grammar

SEEDS = int(os.environ.get("WEIR_TEST_SEEDS", "400"))
FIRST = int(os.environ.get("WEIR_TEST_SEED", "1"))
BATCH = 20


def differences(sample: grammar.Sample, folder: pathlib.Path) -> list[str]:
    inputs = grammar.write(sample, folder)
    mmdb = folder / "country.mmdb"
    try:
        expected = reference.run(list(sample.files.items()), sample.pipeline, str(mmdb))
    except reference.BadInput as e:
        expected = e
    lake = engine.Lake(folder / "lake")
    args = ["--threads", str(sample.threads)]
    if sample.memory:
        args += ["--memory", sample.memory]
    done = lake.run(inputs, mmdb, *args, pipeline=folder / "pipeline.yaml", ok=False)
    if isinstance(expected, reference.BadInput):
        return [] if done.code == 3 else [f"exit {done.code} instead of 3: {expected}"]
    if done.code:
        return [f"exit {done.code}: {done.err}"]
    return engine.compare(lake, expected, done, sample.keep)


def check(sample: grammar.Sample, folder: pathlib.Path) -> list[str]:
    out = differences(sample, folder)
    shutil.rmtree(folder)
    return [f"seed {sample.seed}: {line}" for line in out]


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BATCH))
def test_small_files(first, tmp_path):
    out: list[str] = []
    for seed in range(first, min(first + BATCH, FIRST + SEEDS)):
        out += check(grammar.Writer(seed).sample(), tmp_path / str(seed))
    assert not out, "\n".join(out)


@pytest.mark.parametrize("multiline", [False, True])
@pytest.mark.parametrize("threads", [1, 7])
def test_files_of_many_chunks(multiline, threads, tmp_path):
    """Large enough that records, quotes and line ends fall on chunk borders."""
    sample = grammar.Writer(1000 + threads, rows=25_000, multiline=multiline).sample()
    sample.threads, sample.memory = threads, "16MiB"
    out = check(sample, tmp_path / "many")
    assert not out, "\n".join(out)


def test_nothing_repeats(tmp_path):
    """Every value of every column is another one: dictionaries must give way to plain values."""
    rows = [
        f"e{n},u{n},2024-01-02T03:{n // 60 % 60:02d}:{n % 60:02d}.{n:06d}Z,/p{n},/r{n},D{n},"
        f"10.{n >> 16}.{n >> 8 & 255}.{n & 255},s{n},{n},{n}.5\n"
        for n in range(60_000)
    ]
    header = "event_id,user_id,timestamp,page_url,referrer,device,ip_address,s,l,d\n"
    keep = [{"name": n, "type": t} for n, t in (("s", "string"), ("l", "long"), ("d", "double"))]
    pipeline = {"input": {"keep": keep}}
    files = {"distinct.csv": (header + "".join(rows)).encode()}
    mmdb = grammar.Writer(7).database()
    for memory in ("16MiB", None):
        sample = grammar.Sample(7, files, pipeline, mmdb, 2, memory)
        out = check(sample, tmp_path / "distinct")
        assert not out, "\n".join(out)
