"""`run JOB.json`, `serve` and `--versions`. Exit codes by the contract: 0 done, 3 bad input, else failure."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Iterator

STARTED_NS = time.time_ns()

from .errors import BadInput, Failed, Stopped, said  # noqa: E402
from .job import Job  # noqa: E402

SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")


class Signals:
    """SIGTERM and SIGINT stop the run, but not inside `hold`."""

    def __init__(self) -> None:
        self.held = self.seen = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.seen = True
        if not self.held:
            raise Stopped

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        self.held = True
        try:
            yield
        finally:
            self.held = False


@contextlib.contextmanager
def all_kept() -> Iterator[None]:
    """What the first import of the libraries makes stays until the end: searching it for garbage is wasted."""
    first = "weir_pythonic.pipeline" not in sys.modules
    if first:
        gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            gc.enable()


def without_secrets(text: str) -> str:
    """What a library says may be anything."""
    for name in SECRETS:
        value = os.environ.get(name)
        text = text.replace(value, f"({name})") if value else text
    return text


def run(path: str, signals: Signals, started_ns: int) -> tuple[int, str]:
    """The exit code, and what to say."""
    try:
        job = Job.read(path)
        job.event("start", started_ns)
        # One pool of as many threads as there are CPUs: Polars reads this when it is imported.
        os.environ.setdefault("POLARS_MAX_THREADS", str(job.cpus))
        with all_kept():
            from .pipeline import Run

        job.event("ready")
        this = Run(job)
        this.prepare()
        result = this.execute(signals.hold)
        job.event("committed")
        job.write_result(result)
        job.event("done")
        return 0, ""
    except BadInput as e:
        return 3, str(e)
    except Failed as e:
        return 4, str(e)
    except Stopped:
        return 130, "stopped"
    except Exception as e:
        if os.environ.get("WEIR_DEBUG"):
            raise
        return 4, without_secrets(f"{type(e).__name__}: {said(e)}")


def serve(signals: Signals) -> int:
    """Each line of standard input is a job's path; each job is answered by one line."""
    for line in sys.stdin:
        if not line.strip():
            continue
        code, message = run(line.strip(), signals, time.time_ns())
        print(json.dumps({"job": line.strip(), "exit": code, "error": message}), flush=True)
        if signals.seen:
            return 130
    return 0


def main(arguments: list[str]) -> int:
    if arguments == ["--versions"]:
        from .versions import versions

        print(json.dumps(versions()))
        return 0
    if arguments == ["serve"]:
        return serve(Signals())
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: run JOB.json | run --versions | serve", file=sys.stderr)
        return 2
    code, message = run(arguments[0], Signals(), STARTED_NS)
    if message:
        print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # nothing is left to be torn down, and libraries take their time over it
