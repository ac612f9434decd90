"""JOB.json as the run needs it, the events file and the result file (docs/stacks.md)."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadInput

COLUMNS = ("event_id", "user_id", "timestamp", "page_url", "referrer", "device", "ip_address")
REQUIRED = COLUMNS[:3]
REASONS = ("malformed_row", *(f"missing_{c}" for c in REQUIRED), "bad_timestamp", "duplicate_event")
SPARK_TYPES = {"string": "string", "long": "bigint", "double": "double"}
EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}


@dataclass(frozen=True)
class Pipeline:
    """pipeline.yaml without `output`, with its defaults filled in."""

    columns: dict[str, str]
    keep: tuple[tuple[str, str], ...]  # (name, type)
    delimiter: str
    multiline: bool
    strict: bool
    null_tokens: tuple[str, ...]
    timestamp: str
    drop_ip: bool
    gap_us: int

    @property
    def needed(self) -> tuple[str, ...]:
        """Input columns, keep columns last."""
        return (*self.columns.values(), *(name for name, _ in self.keep))

    @staticmethod
    def of(tree: dict[str, Any]) -> Pipeline:
        source, clean = tree.get("input", {}), tree.get("clean", {})
        named, csv = source.get("columns", {}), source.get("csv", {})
        p = Pipeline(
            {c: named.get(c, c) for c in COLUMNS},
            tuple((k["name"], k["type"]) for k in source.get("keep", ())),
            csv.get("delimiter", ","),
            csv.get("multiline", False),
            csv.get("strict", True),
            tuple(clean.get("null_tokens", ("null", "none", "nan", "n/a", "\\N", "-"))),
            clean.get("timestamp", "iso8601"),
            tree.get("geo", {}).get("ip", "keep") == "drop",
            int(tree.get("sessions", {}).get("gap_seconds", 1800)) * 1_000_000,
        )
        if p.timestamp != "iso8601" and p.timestamp not in EPOCH_UNITS:
            raise BadInput(f'clean.timestamp: "{p.timestamp}" is none of iso8601, {", ".join(EPOCH_UNITS)}')
        if len(p.delimiter.encode()) != 1 or p.delimiter in '"\r\n':
            raise BadInput("input.csv.delimiter: must be one ASCII character, no quote or line end")
        wrong = [(n, t) for n, t in p.keep if t not in SPARK_TYPES]
        if wrong:
            raise BadInput(f'input.keep: {wrong[0][0]}: "{wrong[0][1]}" is none of {", ".join(SPARK_TYPES)}')
        return p


@dataclass(frozen=True)
class Job:
    """One run as asked for."""

    run_id: str
    mode: str
    inputs: tuple[str, ...]
    pipeline: Pipeline
    mmdb: str | None
    catalog: dict[str, Any]
    namespace: str
    events: str
    rejects: str
    cpus: int
    memory_bytes: int
    tmp_dir: str | None
    events_file: str | None
    result_file: str | None

    @staticmethod
    def read(path: str) -> Job:
        try:
            tree = json.loads(Path(path).read_bytes())
            given = tree.get("resources", {})
            return Job(
                tree["run_id"],
                tree.get("mode", "overwrite"),
                tuple(tree["inputs"]),
                Pipeline.of(tree.get("pipeline", {})),
                tree.get("mmdb"),
                tree["catalog"],
                tree.get("namespace", "web"),
                tree.get("events", "events"),
                tree.get("rejects", "rejects"),
                max(1, round(given.get("cpus") or len(os.sched_getaffinity(0)))),
                int(given.get("memory_bytes") or 4 << 30),
                tree.get("tmp_dir"),
                tree.get("events_file"),
                tree.get("result_file"),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            raise BadInput(f"{path}: not a job: {e!r}") from e

    def disk_full(self) -> str:
        """What to say when Spark says no more than that."""
        tmp = self.tmp_dir or tempfile.gettempdir()
        return f'{os.strerror(errno.ENOSPC)}: tables go to "{self.catalog["warehouse"]}", temporary files to "{tmp}"'

    def event(self, name: str, t_ns: int | None = None) -> None:
        """One line in one write, so that lines of several writers never mix."""
        if self.events_file:
            line = json.dumps({"t_ns": t_ns or time.time_ns(), "event": name}) + "\n"
            with open(self.events_file, "ab", buffering=0) as f:
                f.write(line.encode())

    def write_result(self, result: dict[str, Any]) -> None:
        if self.result_file:
            part = Path(self.result_file + ".part")
            part.write_text(json.dumps(result, indent=2) + "\n")
            part.rename(self.result_file)
