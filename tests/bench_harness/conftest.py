"""Stacks made for the purpose, and `weir bench` over them."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass, field
from typing import Any

import pytest
from tools import engine, mmdb_writer

# What every made stack's `run` begins with. `native()` runs the job with weir itself.
PREAMBLE = """\
#!/usr/bin/env python3
import json, os, subprocess, sys, time

if sys.argv[1] == "--versions":
    print(json.dumps({{"fake": "1"}}))
    sys.exit(0)
LOAD = {load!r}
path = sys.argv[1]
job = json.load(open(path))
scratch = os.path.join(job["tmp_dir"], "scratch")


def load(*args):
    return subprocess.call([LOAD, *map(str, args)])


def native(changed=None):
    json.dump({{**job, **(changed or {{}})}}, open(path + ".changed", "w"))
    code = subprocess.call([{weir!r}, "run", "--job", path + ".changed"])
    if code:
        sys.exit(code)
    return json.load(open(job["result_file"]))


"""


@dataclass
class Bench:
    """A folder with stacks of one's own."""

    folder: pathlib.Path
    load: pathlib.Path
    mmdb: pathlib.Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """For names that are nobody else's."""
        return self.folder.name

    @property
    def stacks(self) -> pathlib.Path:
        return self.folder / "stacks"

    def stack(self, name: str, body: str) -> None:
        """`body` is what its `run` does."""
        home = self.stacks / name
        home.mkdir(parents=True)
        (home / "stack.yaml").write_text(
            f"name: {name}\ntitle: made for a test\nmade_by: others\nversions: [./run, --versions]\n"
            "backends: [process]\nfeatures: [csv]\n"
        )
        text = PREAMBLE.format(load=str(self.load), weir=str(engine.BINARY)) + textwrap.dedent(body)
        (home / "run").write_text(text)
        (home / "run").chmod(0o755)

    def plan(self, stacks: list[str], **keys: Any) -> pathlib.Path:
        """A plan of one small case."""
        plan = {
            "stacks": stacks,
            "data": {"name": "few", "rows": 300},
            "resources": {"memory": "1GB"},
            "repetitions": 1,
            "aa": False,
            **keys,
        }
        path = self.folder / "plan.yaml"
        path.write_text(json.dumps(plan))  # JSON is YAML
        return path

    def command(self, plan: pathlib.Path, *args: str) -> list[str]:
        return [
            *(str(engine.BINARY), "bench", str(plan), "--out", str(self.out)),
            *("--data-dir", str(self.folder / "data"), "--mmdb", str(self.mmdb), *args),
        ]

    @property
    def out(self) -> pathlib.Path:
        return self.folder / "r.jsonl"

    def environment(self) -> dict[str, str]:
        spec = importlib.util.find_spec("duckdb_cli")
        assert spec and spec.submodule_search_locations, "no wheel of duckdb-cli"
        packages = pathlib.Path(next(iter(spec.submodule_search_locations))).parent
        extra = {"WEIR_DUCKDB": str(packages), "WEIR_STACKS": str(self.stacks), **self.env}
        return engine.clean_env(extra)

    def run(self, plan: pathlib.Path, *args: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(plan, *args),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
        )

    def clean(self) -> str:
        """What `weir doctor --clean` says."""
        done = subprocess.run(
            [engine.BINARY, "doctor", "--clean"],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stderr

    def lines(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.out.read_text().splitlines()]
        return [line for line in found if kind in (None, line["type"])]

    def samples(self) -> dict[str, dict[str, Any]]:
        """The last sample of each stack."""
        return {s["stack"]: s for s in self.lines("sample")}

    def running(self) -> list[str]:
        """Processes that carry this folder's name in their command or environment."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if entry.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                    continue
                text = entry.joinpath("cmdline").read_bytes() + entry.joinpath("environ").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in text:
                found.append(entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def close(self) -> None:
        """Nothing may be running any more."""
        assert self.running() == []
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def load_program(tmp_path_factory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("load") / "load"
    source = pathlib.Path(__file__).with_name("load.c")
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1", "-o", out, source], check=True
    )
    assert out.stat().st_mode & stat.S_IXUSR
    return out


def make(load: pathlib.Path) -> Bench:
    """In the checkout, not in memory: what a run writes to /dev/shm is no I/O, and counts as its memory."""
    parent = engine.ROOT / "build" / "bench-tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(dir=parent))
    mmdb = folder / "small.mmdb"
    mmdb.write_bytes(
        mmdb_writer.build([(f"{n}.0.0.0/8", {"country_code": code}) for n, code in ((1, "US"), (2, "DE"))])
    )
    return Bench(folder, load, mmdb)


@pytest.fixture
def bench(load_program):
    made = make(load_program)
    yield made
    made.close()
