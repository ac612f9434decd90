#!/usr/bin/env python3
"""Growth and memory: does the time grow with the data, and does a large run fit a small real memory limit?

    tests/scale/run_scale.py [--sizes 0.1GB,1GB,10GB] [--memory 256MB] [--limit 384MB] [--dir FOLDER] [--keep]

For each size: data by `weir gen`, one run without and one with a memory cgroup of --limit (page cache included)
and `--memory`; ledger against the generator's truth, digests of both tables of the two runs against each other.
Prints a table; exit 1 when rows differ, a run fails or the limit killed it. Times are shown, never judged. Needs
root (cgroup v1 or v2) and, for 10 GB, some 25 GB in --dir. Not part of `make test`.
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
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tools import engine

UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3}


def bytes_of(text: str) -> int:
    return int(float(text[:-2]) * UNITS[text[-2:]])


class Cgroup:
    """A memory cgroup with a limit, removed at the end."""

    def __init__(self, limit: int) -> None:
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.v1 = v1.is_dir()
        root = v1 if self.v1 else pathlib.Path("/sys/fs/cgroup")
        self.path = root / f"weir-scale-{os.getpid()}"
        self.path.mkdir()
        names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if self.v1 else ("memory.max",)
        for name in names:
            if (self.path / name).exists():
                (self.path / name).write_text(str(limit))
        if not self.v1 and (self.path / "memory.swap.max").exists():
            (self.path / "memory.swap.max").write_text("0")

    def enter(self) -> None:
        """In the child, before exec."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self) -> int:
        name = "memory.max_usage_in_bytes" if self.v1 else "memory.peak"
        path = self.path / name
        return int(path.read_text()) if path.exists() else 0

    def refused(self) -> int:
        """How often an allocation met the limit (page cache was dropped then: no harm)."""
        path = self.path / "memory.failcnt"
        return int(path.read_text()) if path.exists() else 0

    def remove(self) -> None:
        for _ in range(50):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def digest(lake: engine.Lake) -> list[tuple]:
    """Of each table: rows, and per column the sum of hashes of (value, key)."""
    db = engine.duckdb_connection()
    out = []
    for table in ("events", "rejects"):
        scan = f"iceberg_scan('{engine.local_path(lake.location(table))}')"
        names = [r[0] for r in db.execute(f"describe select * from {scan}").fetchall()]
        key = "user_id, event_time, event_id" if table == "events" else "user_id, timestamp, event_id"
        sums = ", ".join(f'sum(hash("{n}", {key})::hugeint)' for n in names if n != "source_file")
        out.append(db.execute(f"select count(*), {sums} from {scan}").fetchone())
    return out


def run(lake: engine.Lake, inputs: list[pathlib.Path], mmdb: str, *args: str, cgroup: Cgroup | None = None):
    shutil.rmtree(lake.path, ignore_errors=True)
    began = time.monotonic()
    done = subprocess.run(
        [str(engine.BINARY), *lake.command(inputs, mmdb, *args)],
        env=engine.clean_env(),
        capture_output=True,
        text=True,
        preexec_fn=cgroup.enter if cgroup else None,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        print(f"exit {done.returncode}: {done.stderr}")
        return seconds, None
    return seconds, json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="0.1GB,1GB,10GB")
    parser.add_argument("--memory", default="256MB")
    parser.add_argument("--limit", default="384MB")
    parser.add_argument("--dir", default=None)
    parser.add_argument("--keep", action="store_true", help="keep the data")
    parser.add_argument(
        "--mmdb", default=os.environ.get("WEIR_MMDB", str(engine.ROOT / ".cache" / "country.mmdb"))
    )
    options = parser.parse_args()
    folder = pathlib.Path(options.dir or tempfile.mkdtemp(prefix="weir-scale-"))
    folder.mkdir(parents=True, exist_ok=True)
    wrong = 0
    print(
        f"{'size':>8} {'rows':>12} {'free s':>8} {'limited s':>10} {'s/GB':>6} {'anon MB':>8} {'cgroup MB':>9}"
    )
    for size in options.sizes.split(","):
        data = folder / f"data-{size}"
        if not (data / "truth.json").exists():
            made = engine.weir(
                "gen", "--size", size, "--mmdb", options.mmdb, "--out", data, timeout=24 * 3600
            )
            if made.code:
                print(made.err)
                return 1
        truth = json.loads((data / "truth.json").read_text())
        inputs = sorted(data.glob("*.csv"))
        read = sum(f.stat().st_size for f in inputs)
        lake = engine.Lake(folder / "lake")
        free_s, free = run(lake, inputs, options.mmdb)
        before = digest(lake) if free else None
        cgroup = Cgroup(bytes_of(options.limit))
        args = ("--memory", options.memory, "--tmp-dir", str(folder))
        limited_s, limited = run(lake, inputs, options.mmdb, *args, cgroup=cgroup)
        peak = cgroup.peak()
        cgroup.remove()
        same = bool(free and limited) and before == digest(lake)
        keys = ("rows_in", "rows_out", "rejected", "sessions", "users")
        true = all(bool(r) and all(r[k] == truth[k] for k in keys) for r in (free, limited))
        anonymous = limited["peak_memory_bytes"] / 1e6 if limited else 0
        print(
            f"{size:>8} {truth['rows_in']:12,} {free_s:8.2f} {limited_s:10.2f} {limited_s / read * 1e9:6.2f}"
            f" {anonymous:8.0f} {peak / 1e6:9.0f}  {'same rows' if same else 'ROWS DIFFER'},"
            f" {'ledger true' if true else 'LEDGER WRONG'}",
            flush=True,
        )
        wrong += not (same and true)
        shutil.rmtree(lake.path, ignore_errors=True)
        if not options.keep:
            shutil.rmtree(data)
    if not options.dir:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
