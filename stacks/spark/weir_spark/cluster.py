"""A standalone cluster of one's own (../cluster): a master and WEIR_SPARK_WORKERS workers on loopback, for as long as this
engine lives. On one machine it shows what a cluster costs, not what it gains."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

from .errors import BadInput, Failed
from .job import Job

CLUSTER = Path(__file__).resolve().parents[1] / "cluster"
DAEMON_BYTES = 192 << 20  # of a master or a worker, beside its executors (measured: 160 to 190 MB)
WORKERS_MOST = 64


def wanted() -> int:
    """How many workers; 0: none, the cluster is at SPARK_MASTER_URL or there is none."""
    given = os.environ.get("WEIR_SPARK_WORKERS") or "0"
    if not given.isdigit() or int(given) > WORKERS_MOST:
        raise BadInput(f'WEIR_SPARK_WORKERS: "{given}" is no number from 1 to {WORKERS_MOST}')
    return 0 if os.environ.get("SPARK_MASTER_URL") else int(given)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class OwnCluster:
    def __init__(self, workers: int, scratch: str) -> None:
        self.workers, self.folder = workers, Path(scratch, "cluster")

    def start(self, job: Job) -> Job:
        """The job with the memory that is left; SPARK_MASTER_URL says where it is."""
        left = job.memory_bytes - (self.workers + 1) * DAEMON_BYTES
        ports = {n: str(_free_port()) for n in ("PORT", "WEBUI_PORT", "WORKER_WEBUI_PORT")}
        cores = str(-(-job.cpus // self.workers))
        command = [
            str(CLUSTER),
            "start",
            str(self.folder),
            cores,
            f"{job.memory_bytes >> 20}m",
            str(self.workers),
        ]
        done = subprocess.run(
            command,
            env={**os.environ, **ports},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"the cluster of {self.workers} workers did not start: {done.stderr.strip()[-300:]}")
        os.environ["SPARK_MASTER_URL"] = done.stdout.strip()
        os.environ.setdefault("WEIR_SPARK_EXECUTORS", str(self.workers))
        return replace(job, memory_bytes=left)

    def stop(self) -> None:
        subprocess.run([str(CLUSTER), "stop", str(self.folder)], stdout=subprocess.DEVNULL, check=False)
        os.environ.pop("SPARK_MASTER_URL", None)
        if keep := os.environ.get("WEIR_KEEP_DIR"):
            os.makedirs(keep, exist_ok=True)
            for log in self.folder.glob("*.log"):
                shutil.copy(log, keep)
