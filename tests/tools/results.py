"""Makes result files of `weir bench` from a seed: samples whose truth is known, for tests of what reads them."""

from __future__ import annotations

import json
import math
import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MACHINES = {
    "one": {
        "machine": "1f00c0ffee",
        "host": "one",
        "kernel": "6.1.0",
        "os": "Debian 12",
        "cpu": "Example CPU 3000",
    },
    "two": {
        "machine": "2f00c0ffee",
        "host": "two",
        "kernel": "6.6.0",
        "os": "Debian 12",
        "cpu": "Other CPU 9",
    },
}
STACKS: dict[str, dict[str, Any]] = {
    "pythonic": {"title": "Polars + PyIceberg", "made_by": "others", "colour": "#0072B2"},
    "spark": {"title": "Apache Spark", "made_by": "others", "colour": "#D55E00"},
    "native": {"title": "weir's own engine, in C", "made_by": "weir", "colour": "#009E73"},
}
SPEED = {"pythonic": (0.8, 10.0, 900e6), "spark": (6.0, 30.0, 2400e6), "native": (0.02, 2.0, 300e6)}


@dataclass
class Plan:
    """What to make. `change(sample)` may alter or break each sample before it is written."""

    seed: int = 1
    n: int = 10
    twins: int = 10
    noise: float = 0.02
    machine: str = "one"
    stacks: tuple[str, ...] = ("pythonic", "spark", "native")
    sizes: tuple[tuple[str, int], ...] = (("small", 8_000_000),)
    cpus: tuple[int, ...] = (2,)
    caches: tuple[str, ...] = ("warm",)
    strict: tuple[bool, ...] = (True,)
    factor: dict[str, float] = field(default_factory=dict)  # of a stack's times
    series: bool = True
    end: bool = True
    change: Callable[[dict[str, Any]], None] = lambda sample: None


def metrics(stack: str, rows: int, cpus: int, cold: bool, plan: Plan, rng: random.Random) -> dict[str, Any]:
    def noisy(value: float) -> float:
        return value * math.exp(rng.gauss(0, plan.noise))

    init, per, memory = SPEED[stack]
    factor = plan.factor.get(stack, 1.0)
    init_s = noisy(init * factor)
    execution_s = noisy(per * factor * rows / 8e6 * (2 / cpus) ** 0.8 * (1.15 if cold else 1))
    job_s = init_s + execution_s
    cpu_s = noisy(execution_s * cpus * 0.8 + init_s)
    peak = noisy(memory * (0.5 + 0.5 * rows / 8e6))
    return {
        "container_start_s": None,
        "image_pull_s": None,
        "init_s": init_s,
        "execution_s": execution_s,
        "job_s": job_s,
        "total_s": job_s + noisy(0.15),
        "flush_s": noisy(0.2),
        "output_bytes": 30e6 * rows / 1e6,
        "output_files": 30,
        "output_row_groups": 30,
        "peak_memory_bytes": peak * 1.4,
        "peak_anon_bytes": peak,
        "peak_cache_bytes": peak * 0.4,
        "cpu_s": cpu_s,
        "avg_cpu_percent": 100 * cpu_s / job_s,
        "read_bytes": 170.0 * rows,
        "written_bytes": 40.0 * rows,
        "pressure_cpu_us": 1000.0,
        "pressure_io_us": None,
        "pressure_memory_us": None,
    }


def series(values: dict[str, Any], stack: str) -> dict[str, Any]:
    points = 60
    dt = values["job_s"] / points
    curve = [math.sin(math.pi * i / points) ** 0.5 if i else 0.0 for i in range(points)]
    anon = [round(values["peak_anon_bytes"] * c) for c in curve]
    names = {"spark": ("java", "python3"), "pythonic": ("python3",), "native": ("weir",)}[stack]
    return {
        "dt_s": dt,
        "t_s": [i * dt for i in range(points)],
        "anon": anon,
        "shared": [1_000_000] * points,
        "cache": [round(values["peak_cache_bytes"] * i / points) for i in range(points)],
        "cpu_percent": [values["avg_cpu_percent"] * min(1.5, 0.5 + c) for c in curve],
        "by_process": {n: {"rss": [round(a / (k + 1)) for a in anon]} for k, n in enumerate(names)},
    }


def sample(
    case: dict[str, Any], stack: str, rng: random.Random, plan: Plan, where: dict[str, Any]
) -> dict[str, Any]:
    values = metrics(stack, case.pop("rows"), case["cpus"], case["cache"] == "cold", plan, rng)
    made = {
        "type": "sample",
        **where,
        **case,
        "stack": stack,
        "status": "ok",
        "error": "",
        "exit": 0,
        "verified": True,
        "digest": "17b8:17fd" if case["strict"] else "99aa:17fd",
        "ledger": {"rows_in": 1000, "rows_out": 950, "rejected": {"malformed_row": 50}},
        "seen": {"cpus": case["cpus"], "memory_bytes": 4_000_000_000, "threads": case["cpus"]},
        "metrics": values,
        "unavailable": {
            "image_pull_s": "processes have no image",
            "container_start_s": "processes have no container",
            "pressure_io_us": "the kernel does not account it",
            "pressure_memory_us": "the kernel does not account it",
        },
        "flags": [],
        "phases": {
            "start": 0.05,
            "ready": 0.05 + values["init_s"],
            "committed": 0.05 + values["job_s"],
            "done": values["total_s"],
        },
        "output": f"output/{where['id']}.txt",
    }
    if plan.series:
        made["series"] = series(values, stack)
    plan.change(made)
    if made["status"] != "ok":
        made["metrics"] = {}
        made["verified"] = False
    return made


def records(plan: Plan) -> list[dict[str, Any]]:
    rng = random.Random(plan.seed)
    environment = {
        **MACHINES[plan.machine],
        "cpus": 2,
        "memory_bytes": 24e9,
        "cgroup": "v1",
        "governor": "",
        "clock": "tsc",
    }
    out: list[dict[str, Any]] = [
        {
            "type": "run",
            "schema": 1,
            "weir": "0.1.0",
            "run": f"00000000-0000-4000-8000-{plan.seed:012d}",
            "created": "2026-11-27T06:00:00Z",
            "command": ["weir", "bench", "--quick"],
            "plan": {"seed": plan.seed, "runs": plan.n},
            "environment": environment,
            "backend": "process",
            "backend_notes": ["memory by cgroup v1"],
            "sampler": {"hz": 20, "cost_share": 0.004},
        }
    ]
    for name, rows in plan.sizes:
        out.append(
            {"type": "data", "data": name, "format": "csv", "rows": rows, "bytes": rows * 170, "files": 1}
            | {"source": "gen", "seed": 1, "dirt": "some", "sha256": f"{rows:064d}", "truth": None}
        )
    for name in plan.stacks:
        out.append({"type": "stack", "stack": name, **STACKS[name], "versions": {name: "1.2.3"}})
    cases = [
        (data, rows, cpus, cache, strict)
        for data, rows in plan.sizes
        for cpus in plan.cpus
        for cache in plan.caches
        for strict in plan.strict
    ]
    order = 0
    for position, (data, rows, cpus, cache, strict) in enumerate(cases):
        todo = [(stack, None, i + 1) for i in range(plan.n) for stack in plan.stacks]
        if position == 0 and plan.twins:  # the first stack against itself
            todo = [(s, "a" if s == plan.stacks[0] else None, i) for s, _, i in todo]
            todo += [(plan.stacks[0], "b", i + 1) for i in range(plan.twins)]
        rng.shuffle(todo)
        word = "strict" if strict else "idiomatic"
        for stack, twin, repetition in todo:
            order += 1
            where = {
                "id": order,
                "order": order,
                "repetition": repetition,
                "aa": twin,
                "started_ns": order * 10**10,
            }
            where["case"] = f"{data}/csv/{word}/{cache}/{cpus}cpu/4GB"
            case = {"data": data, "format": "csv", "strict": strict, "cache": cache, "cpus": cpus}
            out.append(sample({**case, "memory_bytes": 4e9, "rows": rows}, stack, rng, plan, where))
    for stack in plan.stacks:
        out.append(
            {"type": "minimum", "case": f"{plan.sizes[0][0]}/csv/strict/warm/2cpu/4GB", "stack": stack}
            | {"memory_bytes": SPEED[stack][2] * 0.7, "tried": [{"memory_bytes": 2e9, "ok": True}]}
        )
    if plan.end:
        out.append({"type": "end", "samples": order, "seconds": 600})
    return out


def write(path: pathlib.Path, plan: Plan | None = None, tail: str = "") -> pathlib.Path:
    """The file of a plan; `tail` is put behind it as it is."""
    lines = (json.dumps(r, separators=(",", ":")) for r in records(plan or Plan()))
    path.write_text("\n".join(lines) + "\n" + tail)
    return path
