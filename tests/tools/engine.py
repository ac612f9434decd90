"""Runs a stack on files and reads back what it wrote, through readers that are no stack's own code.

Environment: WEIR_BIN, the binary (default build/weir of this checkout); WEIR_TEST_STACK, another stack's
name for `weir run --stack`; WEIR_TEST_SERVE=1, run its jobs in one `serve` (served.py); WEIR_TEST_READER, `duckdb` (default) or `pyiceberg`; WEIR_TEST_TIMEOUT, seconds
for one run (default 180: Spark alone may take 45 to start on a busy machine).
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reference import pipeline_reference as reference

from tools import served

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("WEIR_BIN", ROOT / "build" / "weir")).absolute()
STACK = os.environ.get("WEIR_TEST_STACK", "")
READER = os.environ.get("WEIR_TEST_READER", "duckdb")
TIMEOUT = float(os.environ.get("WEIR_TEST_TIMEOUT", "180"))


@dataclass
class Outcome:
    """One finished process."""

    code: int
    out: str
    err: str
    ledger: dict[str, Any] = field(default_factory=dict)  # of --json, when it printed one


@dataclass
class Table:
    """One table as an independent reader sees it."""

    metadata: dict[str, Any]
    location: str
    columns: list[str]
    rows: list[tuple]

    @property
    def summary(self) -> dict[str, str]:
        return current_snapshot(self.metadata)["summary"]


def current_snapshot(metadata: dict[str, Any]) -> dict[str, Any]:
    wanted = metadata["current-snapshot-id"]
    return next(s for s in metadata["snapshots"] if s["snapshot-id"] == wanted)


@functools.cache
def stack_has(feature: str) -> bool:
    """Whether the stack under test names this feature in its stack.yaml."""
    text = (ROOT / "stacks" / (STACK or "native") / "stack.yaml").read_text()
    return feature in re.search(r"^features: \[(.*)\]", text, re.M)[1].split(", ")


@functools.cache
def served_stacks() -> dict[str, str]:
    """What makes weir find the stack's session instead of the stack."""
    if not STACK or not os.environ.get("WEIR_TEST_SERVE"):
        return {}
    return {"WEIR_STACKS": str(served.stacks(ROOT / "stacks" / STACK))}


def clean_env(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment without anything that would configure weir."""
    kept = {"WEIR_TWO_SCANS"}  # a way of running, not of configuring
    env = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_") or k in kept}
    env.update(served_stacks())
    env.update(extra or {})
    return env


def weir(
    *args: str | os.PathLike,
    env: dict[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float = TIMEOUT,
    cwd: os.PathLike | None = None,
) -> Outcome:
    """Run the binary with these arguments."""
    done = subprocess.run(
        [str(BINARY), *map(str, args)],
        env=clean_env(env),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        timeout=timeout,
        cwd=cwd,
    )
    out = done.stdout.decode("utf-8", "replace")
    outcome = Outcome(done.returncode, out, done.stderr.decode("utf-8", "replace"))
    if done.returncode == 0 and out.lstrip().startswith("{"):
        outcome.ledger = json.loads(out)
    return outcome


class Lake:
    """An embedded lake in a folder: catalog.db and warehouse/."""

    def __init__(self, path: os.PathLike) -> None:
        self.path = pathlib.Path(path)
        self.catalog = self.path / "catalog.db"
        self.warehouse = self.path / "warehouse"

    def command(
        self,
        inputs: Iterable[str | os.PathLike],
        mmdb: os.PathLike | None = None,
        *args: str | os.PathLike,
        pipeline: os.PathLike | None = None,
    ) -> list[str]:
        """The arguments of `weir run` into this lake."""
        command: list[Any] = ["run", "--json", "--lake", self.path]
        if STACK:
            command += ["--stack", STACK]
        if mmdb is not None:
            command += ["--mmdb", mmdb]
        if pipeline is not None:
            command += ["--pipeline", pipeline]
        return [str(a) for a in [*command, *args, *inputs]]

    def run(
        self,
        inputs: Iterable[str | os.PathLike],
        mmdb: os.PathLike | None = None,
        *args: str | os.PathLike,
        pipeline: os.PathLike | None = None,
        env: dict[str, str] | None = None,
        stdin: bytes | None = None,
        ok: bool = True,
        timeout: float = TIMEOUT,
    ) -> Outcome:
        command = self.command(inputs, mmdb, *args, pipeline=pipeline)
        done = weir(*command, env=env, stdin=stdin, timeout=timeout)
        if ok:
            assert done.code == 0, f"exit {done.code}: {done.err}"
        return done

    def location(self, table: str, namespace: str = "web") -> str | None:
        """metadata_location by the catalog, None when there is no such table."""
        if not self.catalog.exists():
            return None
        uri = f"file:{urllib.parse.quote(str(self.catalog))}?mode=rw"
        with sqlite3.connect(uri, uri=True, timeout=10) as db:
            try:
                row = db.execute(
                    "select metadata_location from iceberg_tables"
                    " where table_namespace = ? and table_name = ?",
                    (namespace, table),
                ).fetchone()
            except sqlite3.OperationalError as e:
                if "no such table" in str(e):
                    return None
                raise
        return row[0] if row else None

    def metadata(self, table: str) -> dict[str, Any] | None:
        location = self.location(table)
        if location is None:
            return None
        return json.loads(pathlib.Path(local_path(location)).read_bytes())

    def read(self, table: str) -> Table:
        location = self.location(table)
        assert location is not None, f"no table {table}"
        return read_table(location)

    def state(self) -> dict[str, str | None]:
        """What a failed run must not change."""
        return {t: self.location(t) for t in ("events", "rejects")}


def local_path(location: str) -> str:
    """file:///x, file:/x and /x are the same."""
    return re.sub(r"^file:/*(?=/)", "", location)


@functools.cache
def duckdb_connection():
    """DuckDB with avro and iceberg loaded from their wheels, so that nothing is fetched."""
    import duckdb

    db = duckdb.connect()
    for name in ("avro", "iceberg"):
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        assert spec and spec.submodule_search_locations, f"no wheel for {name}"
        folder = pathlib.Path(next(iter(spec.submodule_search_locations)))
        path = next(folder.rglob(f"{name}.duckdb_extension"))
        db.execute(f"load '{path}'")
    return db


def read_table(location: str, reader: str = READER) -> Table:
    metadata = json.loads(pathlib.Path(local_path(location)).read_bytes())
    schema_id = metadata["current-schema-id"]
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == schema_id)
    types = {f["name"]: f["type"] for f in schema["fields"]}
    if reader == "pyiceberg":
        from pyiceberg.table import StaticTable

        data = StaticTable.from_metadata(location).scan().to_arrow()
        columns = data.column_names
        values = []
        for column in data.columns:
            if types[columns[len(values)]].startswith("timestamp"):
                column = column.cast("int64")
            values.append(column.to_pylist())
        return Table(metadata, location, columns, list(zip(*values, strict=True)))
    chosen = [
        f'epoch_us("{name}") as "{name}"' if kind.startswith("timestamp") else f'"{name}"'
        for name, kind in types.items()
    ]
    quoted = local_path(location).replace("'", "''")
    query = f"select {', '.join(chosen)} from iceberg_scan('{quoted}')"
    cursor = duckdb_connection().execute(query)
    return Table(metadata, location, list(types), cursor.fetchall())


def collapse(text: str | None) -> str | None:
    """How many U+FFFD a run of invalid bytes becomes is open (4.2)."""
    return None if text is None else re.sub("\ufffd+", "\ufffd", text)


def exact(value: Any) -> Any:
    """Doubles by their bits: −0.0 is not 0.0."""
    return value.hex() if isinstance(value, float) else value


def bag(rows: Iterable[Sequence[Any]]) -> Counter:
    return Counter(tuple(exact(v) for v in row) for row in rows)


def bag_of_rejects(rows: Iterable[Sequence[Any]], sources: bool = True) -> Counter:
    """Of a duplicate either copy's source_file will do (4.2)."""
    out: Counter = Counter()
    for row in rows:
        *values, raw, source = row
        if row[0] == "duplicate_event" or not sources:
            source = "*"
        out[(*values, collapse(raw), source)] += 1
    return out


def differences(name: str, expected: Counter, got: Counter, limit: int = 10) -> list[str]:
    """Lines that say what differs, none when nothing does."""
    out = []
    for what, rows in (("missing", expected - got), ("unexpected", got - expected)):
        for row, times in sorted(rows.items(), key=repr)[:limit]:
            out.append(f"{name}: {what} ×{times}: {row}")
        if len(rows) > limit:
            out.append(f"{name}: {len(rows) - limit} more rows {what}")
    return out


def expected_summary(result: reference.Result) -> dict[str, str]:
    """5.2, apart from run-id, stack and table names."""
    out = {"weir.rows-in": str(result.rows_in), "weir.rows-out": str(result.rows_out)}
    out.update({f"weir.rejected.{r}": str(n) for r, n in result.rejected.items()})
    out.update({f"weir.nulled.{c}": str(n) for c, n in result.nulled.items()})
    return out


def compare(lake: Lake, result: reference.Result, done: Outcome, keep: list[str]) -> list[str]:
    """Everything a run left against what it had to leave; lines of differences."""
    events, rejects = lake.read("events"), lake.read("rejects")
    out = []
    if events.columns != [*reference.EVENT_COLUMNS, *keep]:
        out.append(f"events: columns are {events.columns}")
    if rejects.columns != list(reference.REJECT_COLUMNS):
        out.append(f"rejects: columns are {rejects.columns}")
    out += differences("events", bag(result.events), bag(events.rows))
    out += differences("rejects", bag_of_rejects(result.rejects), bag_of_rejects(rejects.rows))
    for name, table in (("events", events), ("rejects", rejects)):
        for key, value in expected_summary(result).items():
            if table.summary.get(key) != value:
                out.append(f"{name}: summary {key} is {table.summary.get(key)!r}, not {value!r}")
    said = {
        "rows_in": result.rows_in,
        "rows_out": result.rows_out,
        "rejected": result.rejected,
        "sessions": result.sessions,
        "users": result.users,
    }
    for key, value in said.items():
        if done.ledger.get(key) != value:
            out.append(f"--json: {key} is {done.ledger.get(key)!r}, not {value!r}")
    return out
