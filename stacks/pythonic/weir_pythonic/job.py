"""The contract's files: JOB.json in; the events file and the result file out."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadInput

COLUMNS = ("event_id", "user_id", "timestamp", "page_url", "referrer", "device", "ip_address")
REASONS = (
    "malformed_row",
    "missing_event_id",
    "missing_user_id",
    "missing_timestamp",
    "bad_timestamp",
    "duplicate_event",
)
NULL_TOKENS = ("null", "none", "nan", "n/a", "\\N", "-")
KEEP_TYPES = ("string", "long", "double")
TIMESTAMPS = ("iso8601", "epoch_s", "epoch_ms", "epoch_us")


@dataclass(frozen=True)
class Pipeline:
    """pipeline.yaml without `output`."""

    columns: dict[str, str]
    keep: tuple[tuple[str, str], ...] = ()  # (name, type)
    delimiter: str = ","
    multiline: bool = False
    strict: bool = True
    null_tokens: tuple[str, ...] = NULL_TOKENS
    timestamp: str = "iso8601"
    drop_ip: bool = False
    gap_us: int = 1800 * 1_000_000

    @staticmethod
    def of(tree: dict[str, Any]) -> Pipeline:
        given, clean = tree.get("input", {}), tree.get("clean", {})
        csv = given.get("csv", {})
        keep = tuple((k["name"], k["type"]) for k in given.get("keep", []))
        p = Pipeline(
            columns={c: given.get("columns", {}).get(c, c) for c in COLUMNS},
            keep=keep,
            delimiter=csv.get("delimiter", ","),
            multiline=csv.get("multiline", False),
            strict=csv.get("strict", True),
            null_tokens=tuple(clean.get("null_tokens", NULL_TOKENS)),
            timestamp=clean.get("timestamp", "iso8601"),
            drop_ip=tree.get("geo", {}).get("ip", "keep") == "drop",
            gap_us=int(tree.get("sessions", {}).get("gap_seconds", 1800)) * 1_000_000,
        )
        if p.timestamp not in TIMESTAMPS:
            raise BadInput(f'clean.timestamp: "{p.timestamp}" is none of {", ".join(TIMESTAMPS)}')
        if len(p.delimiter.encode()) != 1 or p.delimiter in '"\r\n':
            raise BadInput("input.csv.delimiter: must be one ASCII character, no quote or line end")
        for name, kind in keep:
            if kind not in KEEP_TYPES:
                raise BadInput(f'input.keep: {name}: "{kind}" is none of {", ".join(KEEP_TYPES)}')
        return p


@dataclass(frozen=True)
class Job:
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
    versions: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def read(path: str) -> Job:
        try:
            o = json.loads(Path(path).read_bytes())
            resources = o.get("resources", {})
            return Job(
                run_id=o["run_id"],
                mode=o.get("mode", "overwrite"),
                inputs=tuple(o["inputs"]),
                pipeline=Pipeline.of(o.get("pipeline", {})),
                mmdb=o.get("mmdb"),
                catalog=o["catalog"],
                namespace=o.get("namespace", "web"),
                events=o.get("events", "events"),
                rejects=o.get("rejects", "rejects"),
                cpus=max(1, round(resources.get("cpus") or len(os.sched_getaffinity(0)))),
                memory_bytes=int(resources.get("memory_bytes") or 2 << 30),
                tmp_dir=o.get("tmp_dir"),
                events_file=o.get("events_file"),
                result_file=o.get("result_file"),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            raise BadInput(f"{path}: not a job: {e!r}") from e

    def event(self, name: str, t_ns: int | None = None, **more: int) -> None:
        """One line, written at once, so that lines of several writers never mix."""
        if self.events_file is None:
            return
        line = json.dumps({"t_ns": time.time_ns() if t_ns is None else t_ns, "event": name, **more}) + "\n"
        fd = os.open(self.events_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)

    def write_result(self, result: dict[str, Any]) -> None:
        if self.result_file is None:
            return
        part = self.result_file + ".part"
        Path(part).write_text(json.dumps(result, indent=2) + "\n")
        os.replace(part, self.result_file)
