#!/usr/bin/env python3
"""weir on S3 against weir on local files, and against what the service can do: `s3_bench.py --mmdb FILE [--rows 4000000]`.

weir has the first CPU alone in every case, MinIO (and the line that adds 20 ms to each request) the second, all data is in
memory: what is compared is the same CPU with and without S3. The service's own ceiling is taken by curl on weir's CPU, eight
ranges or objects of 8 MiB at a time. Cases are run in turn; printed are medians, and how much of the limit each reached: the
limit is the longer of weir's local time and of the time in which the service could have handed out the input and taken the
tables. See docs/performance.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from tools.delay import Delay  # noqa: E402
from tools.minio import BUCKET, Minio  # noqa: E402

RANGE = 8 << 20
WEIR_CPU, SERVER_CPU = "0", "1"


def timed(command: list[str], env: dict[str, str], stdin: str | None = None) -> tuple[float, float]:
    """Seconds on the wall, seconds of CPU, on weir's CPU."""
    start = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", WEIR_CPU, *command],
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    process.stdin.write(stdin or "")
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed with exit code {process.returncode}: {command}")
    return seconds, usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, folder: pathlib.Path, server: Minio, rows: int, mmdb: str) -> None:
        self.folder, self.server, self.mmdb = folder, server, mmdb
        self.weir = os.environ.get("WEIR_BIN", str(ROOT / "build/weir"))
        subprocess.run(
            [self.weir, "gen", "--rows", str(rows), "--out", str(folder / "in")],
            check=True,
            env={**os.environ, "WEIR_MMDB": mmdb},
            stderr=subprocess.DEVNULL,
        )
        self.input = next((folder / "in").glob("*.csv"))
        self.bytes = self.input.stat().st_size
        self.put_input()

    def put_input(self) -> None:
        """By weir's own parts: larger than one request may be."""
        target, headers = self.server.client().signed("PUT", f"/{BUCKET}/in.csv", digest="UNSIGNED-PAYLOAD")
        self.curl([(target, headers, [f'upload-file = "{self.input}"'])])

    def curl(self, requests: list[tuple[str, dict[str, str], list[str]]]) -> float:
        """Seconds for all of them, eight at a time."""
        lines = []
        for target, headers, more in requests:
            lines += ["next"] if lines else []
            lines += [f'url = "{self.server.endpoint}{target}"', 'output = "/dev/null"', "fail", "silent"]
            lines += [f'header = "{k}: {v}"' for k, v in headers.items() if k != "host"] + more
        command = ["curl", "--no-progress-meter", "--parallel", "--parallel-max", "8", "--config", "-"]
        return timed(command, {}, "\n".join(lines))[0]

    def gets(self) -> float:
        client = self.server.client()
        return self.curl(
            [
                (
                    *client.signed("GET", f"/{BUCKET}/in.csv"),
                    [f'range = "{at}-{min(self.bytes, at + RANGE) - 1}"'],
                )
                for at in range(0, self.bytes, RANGE)
            ]
        )

    def puts(self, count: int) -> float:
        piece = self.folder / "piece"
        piece.write_bytes(os.urandom(RANGE))
        digest, client = hashlib.sha256(piece.read_bytes()).hexdigest(), self.server.client()
        return self.curl(
            [
                (*client.signed("PUT", f"/{BUCKET}/piece-{i}", digest=digest), [f'upload-file = "{piece}"'])
                for i in range(count)
            ]
        )

    def run(self, source: str, target: str, endpoint: str) -> tuple[float, float, int]:
        """Seconds, CPU seconds, bytes of the tables' files."""
        lake = self.folder / "lake"
        shutil.rmtree(lake, ignore_errors=True)
        shutil.rmtree(self.server.data / BUCKET / "lake", ignore_errors=True)
        where = f"s3://{BUCKET}/lake" if target == "S3" else f"file://{lake}/warehouse"
        operand = f"s3://{BUCKET}/in.csv" if source == "S3" else str(self.input)
        command = [self.weir, "run", operand, "--lake", str(lake), "--warehouse", where, "--threads", "1"]
        env = {**self.server.env, "WEIR_S3_ENDPOINT": endpoint, "WEIR_MMDB": self.mmdb}
        seconds, cpu = timed(command, env)
        kept = self.server.data / BUCKET / "lake" if target == "S3" else lake / "warehouse"
        return seconds, cpu, sum(f.stat().st_size for f in kept.rglob("*") if f.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mmdb", required=True)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--delay", type=float, default=20, help="milliseconds added to each request")
    o = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-s3-bench-", dir="/dev/shm"))
    os.sched_setaffinity(0, {int(SERVER_CPU)})  # MinIO and the line inherit it
    server = Minio()
    try:
        server.make()
        bench = Bench(folder, server, o.rows, o.mmdb)
        cases: dict[str, list[tuple[float, float, int]]] = {}
        gets, puts = [], []
        with Delay(server.port, o.delay / 1e3) as far:
            for turn in range(-1, o.runs):  # the first warms up and does not count
                gets.append(bench.gets())
                puts.append(bench.puts(16))
                for source, target, at in (
                    *(("local", "local", ""), ("S3", "local", ""), ("local", "S3", ""), ("S3", "S3", "")),
                    *(("S3", "local", "far"), ("local", "S3", "far"), ("S3", "S3", "far")),
                ):
                    got = bench.run(source, target, far.endpoint if at else server.endpoint)
                    name = f"{source} -> {target}" + (f", {o.delay:g} ms more" if at else "")
                    if turn >= 0:
                        cases.setdefault(name, []).append(got)
                        print(f"{turn + 1} {name:26} {got[0]:6.2f} s  CPU {got[1]:6.2f} s", flush=True)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    get = bench.bytes / statistics.median(gets[1:])
    put = 16 * RANGE / statistics.median(puts[1:])
    local, _, written = (statistics.median(v) for v in zip(*cases["local -> local"]))
    print(f"\ninput {bench.bytes / 1e6:.0f} MB, tables {written / 1e6:.0f} MB")
    print(f"the service alone: GET {get / 1e6:.0f} MB/s, PUT {put / 1e6:.0f} MB/s")
    for name, samples in cases.items():
        seconds, cpu, _ = (statistics.median(v) for v in zip(*samples))
        source, _, target = name.split(",")[0].split()
        service = (bench.bytes / get if source == "S3" else 0) + (written / put if target == "S3" else 0)
        shares = [max(cases["local -> local"][i][0], service) / s[0] for i, s in enumerate(samples)]
        print(
            f"{name:26} {seconds:6.2f} s  CPU {cpu:6.2f} s  {bench.bytes / seconds / 1e6:6.0f} MB/s"
            f"  {statistics.median(shares):5.0%} of the limit [{min(shares):.0%}, {max(shares):.0%}]"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
