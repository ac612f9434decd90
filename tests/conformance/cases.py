"""The conformance kit as Python sees it: the cases of cases/*.jsonl (README.md there), and a good CSV line to
begin other inputs from.

Every case was derived by hand from pipeline.md. `weir stack test` runs them against any stack; test_conformance.py
runs them against the slow reference too, so that two readings of the text must agree.
"""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
from dataclasses import dataclass, field
from typing import Any

from reference.pipeline_reference import COLUMNS, REASONS

FOLDER = pathlib.Path(__file__).resolve().parent / "cases"
HEADER = b"event_id,user_id,timestamp,page_url,referrer,device,ip_address"
DEFAULT_ROW = {
    "event_id": "e1",
    "user_id": "u1",
    "timestamp": "2024-01-02T03:04:05Z",
    "page_url": "/p",
    "referrer": "/r",
    "device": "Desktop",
    "ip_address": "1.2.3.4",
}
EVENT_TIMES = (4, 5)  # columns of events that the files write as text


def row(**changes: str | bytes) -> bytes:
    """One good line without its end; values go in as they are, unquoted."""
    values = {**DEFAULT_ROW, **{k: v for k, v in changes.items() if k in COLUMNS}}
    extra = [v for k, v in changes.items() if k not in COLUMNS]
    return b",".join(v if isinstance(v, bytes) else v.encode() for v in [*values.values(), *extra])


def csv(*rows: bytes, header: bytes = HEADER, end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in (header, *rows))


def expand(content: Any) -> bytes:
    """The bytes that text, {"repeat", "times"}, {"base64"} or a list of them stand for."""
    if isinstance(content, list):
        return b"".join(map(expand, content))
    if isinstance(content, str):
        return content.encode()
    if "base64" in content:
        return base64.b64decode(content["base64"], validate=True)
    return content["repeat"].encode() * content["times"]


def epoch_us(text: str) -> int:
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def values(row: list, times: tuple[int, ...] = ()) -> tuple:
    plain = [expand(v).decode() if isinstance(v, dict) else v for v in row]
    return tuple(epoch_us(v) if i in times else v for i, v in enumerate(plain))


@dataclass
class Case:
    """One run on some files, or (`before`, `expect`) what `weir stack test` alone can judge."""

    id: str
    files: dict[str, bytes]
    pipeline: dict | None
    database: str
    error: str | None
    events: list[tuple]
    rejects: list[tuple]
    ledger: dict[str, Any]
    kit_only: bool = False

    @property
    def rejected(self) -> dict[str, int]:
        return {r: self.ledger["rejected"].get(r, 0) for r in REASONS}


def read_lines(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


KIT_ONLY = {"before", "mode", "run_id", "tables", "fails", "expect", "needs"}


def read_case(tree: dict) -> Case:
    return Case(
        tree["id"],
        {name: expand(content) for name, content in tree.get("inputs", {}).items()},
        tree.get("pipeline"),
        tree.get("database", "default"),
        tree.get("error"),
        [values(r, EVENT_TIMES) for r in tree.get("events", [])],
        [values(r) for r in tree.get("rejects", [])],
        tree.get("ledger", {}),
        bool(KIT_ONLY & set(tree)),
    )


@dataclass
class Database:
    """A small MaxMind DB file, and what it was made from."""

    name: str
    networks: list[tuple[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""


def read_database(tree: dict) -> Database:
    networks = [(network, found) for network, found in tree["networks"]]
    return Database(tree["name"], networks, tree.get("options", {}), base64.b64decode(tree["base64"]))


CLAUSES = {head["clause"]: head["title"] for head in (read_lines(p)[0] for p in FOLDER.glob("[0-9]*.jsonl"))}
CASES = [read_case(t) for c in sorted(CLAUSES) for t in read_lines(FOLDER / f"{c}.jsonl")[1:]]
DATABASES = {d.name: d for d in map(read_database, read_lines(FOLDER / "databases.jsonl"))}
NETWORKS = DATABASES["default"].networks
