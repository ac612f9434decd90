"""`run JOB.json`, `serve` and `--versions`. Exit codes by the contract: 0 done, 3 bad input, else failure.

The job runs in a thread of its own; the main thread waits for it, or for SIGTERM, upon which it cancels what Spark is
doing. A run that has begun to commit is let finish.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from typing import Any

from .errors import BadInput, Failed, Stopped
from .job import Job

GRACE_SECONDS, CANCEL_SECONDS = 8, 0.2


class Engine:
    """One Spark session, started by the first job."""

    def __init__(self) -> None:
        self.spark: Any = None
        self.countries: Any = None
        self.cluster: Any = None
        self.scratch = ""
        self.stop, self.ended = threading.Event(), threading.Event()
        self.committing = threading.Lock()

    def _ready(self, job: Job) -> None:
        from .cluster import OwnCluster, wanted
        from .countries import CountryCache
        from .pipeline import Run  # noqa: F401 - all imports come before `ready`
        from .session import open_session

        if self.spark is None:
            self.scratch = tempfile.mkdtemp(prefix="weir-spark-", dir=job.tmp_dir if not SERVING else None)
            self.countries = CountryCache()
            if workers := wanted():
                self.cluster = OwnCluster(workers, self.scratch)
                job = self.cluster.start(job)
            self.countries.begin(job.mmdb)
            self.spark = open_session(job, self.scratch)

    def run(self, path: str, started_ns: int) -> tuple[int, str]:
        """The exit code, and what to say."""
        try:
            job = Job.read(path)
            job.event("start", started_ns)
            self._ready(job)
            job.event("ready")
            job.write_result(self._run(job))
            job.event("done")
            return 0, ""
        except BadInput as e:
            return 3, str(e)
        except Stopped:
            return 130, "stopped"
        except Failed as e:
            return (130, "stopped") if self.stop.is_set() else (4, str(e))
        except Exception as e:
            if os.environ.get("WEIR_DEBUG"):
                raise
            if isinstance(e, OSError) and e.errno == errno.ENOSPC:
                return 4, job.disk_full()
            return 4, f"{type(e).__name__}: {e}".split("\n")[0]

    def _run(self, job: Job) -> dict[str, Any]:
        from .pipeline import Run

        this = Run(self.spark, job, self.countries)
        try:
            this.prepare()
            if not this.held():
                self._unless_stopped()
                this.work()
                with self.committing:  # no stop between the two commits
                    self._unless_stopped()
                    this.commit()
            job.event("committed")
            return this.result()
        finally:
            this.tidy()

    def _unless_stopped(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def end(self) -> None:
        """At once: by itself the JVM would first finish what its threads are at."""
        self.ended.set()
        if self.spark is not None:
            from .session import JVM

            logging.disable()  # what Python still holds of the JVM would complain
            for process in JVM:
                process.kill()
                process.wait()
        if self.cluster is not None:
            self.cluster.stop()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def cancel(self) -> None:
        """Until the run has ended: it may be about to begin another of Spark's jobs."""
        self.stop.set()
        with contextlib.suppress(Exception):  # the JVM may be ending
            while True:
                with self.committing:
                    if self.spark is not None:
                        self.spark.sparkContext.cancelAllJobs()
                if self.ended.wait(CANCEL_SECONDS):
                    break


SERVING = sys.argv[1:] == ["serve"]


class Signals:
    """SIGTERM and SIGINT: between jobs the end, during one a wish."""

    def __init__(self) -> None:
        self.busy = self.seen = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.seen = True
        if not self.busy:
            raise SystemExit(130)


def attend(engine: Engine, signals: Signals, path: str, started_ns: int) -> tuple[int, str]:
    """Run a job in a thread, until it ends or a signal came and its time is up."""
    out: list[tuple[int, str]] = []
    worker = threading.Thread(target=lambda: out.append(engine.run(path, started_ns)), daemon=True)
    signals.busy = True
    worker.start()
    deadline = float("inf")
    while worker.is_alive() and time.monotonic() < deadline:
        worker.join(0.05)
        if signals.seen and deadline == float("inf"):
            deadline = time.monotonic() + GRACE_SECONDS
            threading.Thread(target=engine.cancel, daemon=True).start()
    signals.busy = False
    return out[0] if out else (130, "stopped")


def serve(engine: Engine, signals: Signals) -> int:
    """Each line of standard input is a job's path; each job is answered by one line."""
    for line in sys.stdin:
        if line.strip():
            code, message = attend(engine, signals, line.strip(), time.time_ns())
            print(json.dumps({"job": line.strip(), "exit": code, "error": message}), flush=True)
        if signals.seen:
            return 130
    return 0


def main(arguments: list[str]) -> int:
    if arguments == ["--versions"]:
        from .session import java
        from .versions import java_version, versions

        try:
            print(json.dumps(versions(java_version(java()))))
        except Failed as e:
            print(f"stack spark: {e}", file=sys.stderr)
            return 4
        return 0
    engine, signals = Engine(), Signals()
    try:
        if arguments == ["serve"]:
            return serve(engine, signals)
        if len(arguments) != 1 or arguments[0].startswith("-"):
            print("usage: run JOB.json | run --versions | serve", file=sys.stderr)
            return 2
        started = int(os.environ.get("WEIR_STARTED_NS") or time.time_ns())
        code, message = attend(engine, signals, arguments[0], started)
        if message:
            print(message, file=sys.stderr)
        return code
    finally:
        engine.end()


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except SystemExit as e:
        code = int(e.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the JVM ends with its standard input
