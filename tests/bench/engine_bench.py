#!/usr/bin/env python3
"""Time weir run against other commands, interleaved, with the peak anonymous memory of each process tree.

    engine_bench.py --runs 5 --input g8.csv --mmdb country.mmdb --baseline 'python pythonic_plain.py {input} {lake} {mmdb}'

Prints each sample, then medians and the ratio of each pair of neighbouring runs: machines drift, so only pairs compare.
Commands may use {input}, {lake} (removed before each run) and {mmdb}. See docs/performance.md.
"""

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time


def anonymous_bytes(root: int) -> int:
    """Anonymous resident memory of a process and its descendants, bytes. Looks at nothing else: the watcher must
    not cost what it measures."""
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        try:
            with open(f"/proc/{pid}/status") as f:
                total += sum(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                todo += [int(child) for child in f.read().split()]
        except OSError:
            pass
    return total


def tree_bytes(path: str, suffix: str = "") -> int:
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
        if name.endswith(suffix)
    )


def measure(command: str, lake: str) -> dict:
    shutil.rmtree(lake, ignore_errors=True)
    os.sync()
    peak = 0
    start = time.monotonic()
    process = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL)

    def watch() -> None:
        nonlocal peak
        while process.returncode is None:
            peak = max(peak, anonymous_bytes(process.pid))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode:
        sys.exit(f"failed with exit code {process.returncode}: {command}")
    return {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": peak / 1e6,
        "output_mb": tree_bytes(lake, ".parquet") / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--input", required=True)
    parser.add_argument("--mmdb", required=True)
    parser.add_argument("--lake", default="/tmp/weir-bench-lake")
    parser.add_argument("--weir", default="build/weir run --lake {lake} --mmdb {mmdb} {input}")
    parser.add_argument(
        "--baseline", action="append", default=[], help="a command to compare with; may be repeated"
    )
    args = parser.parse_args()
    commands = [
        c.format(input=args.input, lake=args.lake, mmdb=args.mmdb) for c in [args.weir, *args.baseline]
    ]
    with open(args.input, "rb") as f:  # a warm page cache for all
        while f.read(1 << 24):
            pass
    samples: list[list[dict]] = [[] for _ in commands]
    for run in range(-1, args.runs):  # the first round warms up and does not count
        for i, command in enumerate(commands):
            sample = measure(command, args.lake)
            if run >= 0:
                samples[i].append(sample)
                print(
                    f"{run + 1} {command.split()[0]:30} "
                    + "  ".join(f"{k} {v:.2f}" for k, v in sample.items()),
                    flush=True,
                )
    for i, command in enumerate(commands):
        print("median", command)
        for key in samples[i][0]:
            print(
                f"    {key:10} {statistics.median(s[key] for s in samples[i]):9.2f}  [{min(s[key] for s in samples[i]):.2f}, {max(s[key] for s in samples[i]):.2f}]"
            )
        if i:
            ratios = [b["seconds"] / a["seconds"] for a, b in zip(samples[0], samples[i])]
            print(
                f"    {statistics.median(ratios):.2f} times as long as weir  [{min(ratios):.2f}, {max(ratios):.2f}]"
            )


if __name__ == "__main__":
    main()
