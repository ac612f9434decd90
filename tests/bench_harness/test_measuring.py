"""What `weir bench` measures, against a program that uses exactly what it is told."""

from __future__ import annotations

import pytest

MB = 1_000_000


@pytest.fixture(params=["groups", "processes"])
def way(request, bench) -> str:
    """By control groups, and by what /proc shows where none can be made."""
    if request.param == "processes":
        bench.env["WEIR_CGROUPS"] = "off"
    return request.param


def measure(bench, body: str) -> tuple[dict, dict]:
    """Metrics of a stack that does `body` before the job, less those of one that only does the job."""
    bench.stack("plain", "native()\n")
    bench.stack("loaded", f"{body}\nnative()\n")
    done = bench.run(bench.plan(["plain", "loaded"]))
    assert done.returncode == 0, done.stderr
    samples = bench.samples()
    assert {s["status"] for s in samples.values()} == {"ok"}
    return samples["loaded"], {
        k: v - samples["plain"]["metrics"][k]
        for k, v in samples["loaded"]["metrics"].items()
        if isinstance(v, int | float)
    }


def has_groups(sample: dict) -> bool:
    return sample["metrics"]["peak_memory_bytes"] is not None


def test_memory(bench, way):
    sample, _ = measure(bench, "load('memory', 500_000_000)")
    metrics = sample["metrics"]
    # The interpreter that starts it stays, some 10 MB.
    assert metrics["peak_anon_bytes"] == pytest.approx(507 * MB, rel=0.02)
    assert max(sample["series"]["by_process"]["load"]["rss"]) == pytest.approx(500 * MB, rel=0.02)
    if has_groups(sample):
        assert metrics["peak_memory_bytes"] >= metrics["peak_anon_bytes"]
        assert metrics["peak_memory_bytes"] == pytest.approx(510 * MB, rel=0.03)
    else:
        assert way == "processes"


def test_shared_memory(bench):
    sample, _ = measure(bench, "load('shared', 300_000_000)")
    if has_groups(sample):
        assert max(sample["series"]["shared"]) == pytest.approx(300 * MB, rel=0.02)
        assert sample["metrics"]["peak_anon_bytes"] == pytest.approx(307 * MB, rel=0.02)


def test_cpu(bench, way):
    _, more = measure(bench, "load('cpu', 2)")
    assert more["cpu_s"] == pytest.approx(2, abs=0.04)


def test_bytes_written(bench, way):
    _, more = measure(bench, "load('write', 100_000_000, scratch)")
    assert more["written_bytes"] == pytest.approx(100 * MB, rel=0.02)
    assert more["written_chars"] == pytest.approx(100 * MB, rel=0.02)


def test_short_lived_grandchildren(bench, way):
    _, more = measure(bench, "load('children', 60, scratch)")
    assert more["written_bytes"] == pytest.approx(60 * MB, rel=0.02)
    # 60 times 10 ms, and what making processes and writing cost the kernel.
    assert 0.58 < more["cpu_s"] < 1.5


def test_child_that_hides(bench, way):
    sample, more = measure(bench, "load('hidden', scratch)")
    assert more["written_bytes"] == pytest.approx(10 * MB, rel=0.1)
    assert more["cpu_s"] >= 0.48
    assert max(sample["series"]["by_process"]["load"]["rss"]) >= 98 * MB


def test_cache_is_told_apart(bench):
    sample, more = measure(bench, "load('write', 200_000_000, scratch)")
    if has_groups(sample):
        assert sample["metrics"]["peak_cache_bytes"] >= 190 * MB
        assert sample["metrics"]["peak_anon_bytes"] < 60 * MB
        assert sample["metrics"]["peak_memory_bytes"] >= 190 * MB


def test_what_is_not_measured_is_said(bench):
    bench.env["WEIR_CGROUPS"] = "off"
    sample, _ = measure(bench, "")
    assert sample["metrics"]["peak_memory_bytes"] is None
    for name, value in sample["metrics"].items():
        assert (value is None) == (name in sample["unavailable"]), name
    assert "no control group" in bench.lines("run")[0]["backend_notes"][0]


def test_sampling_is_often_and_cheap(bench):
    sample, _ = measure(bench, "load('cpu', 1)")
    times = sample["series"]["t_s"]
    assert len(times) >= 10 * times[-1]
    assert sample["sampler_cost_share"] < 0.01 or "sampler" in " ".join(sample["flags"])
    for name in ("anon", "shared", "cache", "cpu_percent"):
        assert len(sample["series"][name]) == len(times)


def test_limits_are_set(bench):
    bench.stack(
        "look",
        "r = native()\nr['seen'] = {'cpus': len(os.sched_getaffinity(0))}\njson.dump(r, open(job['result_file'], 'w'))\n",
    )
    done = bench.run(bench.plan(["look"], resources={"cpus": 1, "memory": "1GB"}))
    assert done.returncode == 0, done.stderr
    assert bench.samples()["look"]["seen"] == {"cpus": 1}
    assert not [f for f in bench.samples()["look"]["flags"] if f.startswith("budget")]
