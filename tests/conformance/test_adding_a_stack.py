"""docs/adding-a-stack.md: its files are cut out of the page, set up, and held to the kit, as the page says."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from tools import clicks, engine

PAGE = engine.ROOT / "docs/adding-a-stack.md"
LIBRARIES = engine.ROOT / ".venv"
# What each of these prints must stand in the page: reading, duplicates, commits and summaries.
SHOWN = ("1.4", "3.2", "4.1", "4.4", "4.5", "4.6", "4.7", "5.2")


def files() -> dict[str, str]:
    """Blocks after <!-- file: NAME -->; those of one name follow each other."""
    found: dict[str, list[str]] = {}
    pattern = r"<!-- file: (\S+) -->\n```\w+\n(.*?)```"
    for name, text in re.findall(pattern, PAGE.read_text(), re.S):
        found.setdefault(name, []).append(text)
    return {name: "\n\n".join(parts) for name, parts in found.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> pathlib.Path:
    if not LIBRARIES.exists():
        pytest.skip("no .venv; run scripts/setup --dev")
    stack = tmp_path_factory.mktemp("stacks") / "plain"
    stack.mkdir()
    for name, text in files().items():
        (stack / name).write_text(text)
        if name in ("setup", "run", "serve"):
            (stack / name).chmod(0o755)
    (stack / ".venv").symlink_to(LIBRARIES)  # has what setup would install, and setup sees it
    done = engine.weir("stack", "setup", "plain", env={"WEIR_STACKS": str(stack.parent)})
    assert done.code == 0, done.err
    return stack.parent


def test_versions_installed_are_those_of_the_page(root):
    wanted = dict(re.findall(r"([a-z-]+)(?:\[[a-z-]+\])?==([0-9.]+)", files()["setup"]))
    pinned = (engine.ROOT / "pyproject.toml").read_text()
    for name, version in wanted.items():
        assert re.search(rf'"{name}(\[[a-z-]+\])?=={re.escape(version)}"', pinned), name
    done = engine.weir("stack", "check", "plain", "--json", env={"WEIR_STACKS": str(root)})
    assert json.loads(done.out)["plain"]["versions"]["pyiceberg"] == wanted["pyiceberg"]


@pytest.mark.parametrize("clause", SHOWN)
def test_the_kit_says_what_the_page_says(root, tmp_path, clause):
    env = {"WEIR_STACKS": str(root), "TMPDIR": str(tmp_path)}
    done = engine.weir("stack", "test", "plain", "--clause", clause, env=env, timeout=600)
    line = next(line for line in done.out.splitlines() if line.startswith(clause + " "))
    assert line in PAGE.read_text(), done.out


def test_it_fails_only_by_refusing_line_ends_in_quotes(root, tmp_path):
    env = {"WEIR_STACKS": str(root), "TMPDIR": str(tmp_path)}
    done = engine.weir("stack", "test", "plain", "--clause", "1.4", "--json", env=env, timeout=600)
    failed = [c for c in json.loads(done.out)["clauses"][0]["cases"] if c["result"] == "failed"]
    assert failed and {c["reading"] for c in failed} == {"multiline"}
    assert all("exit code 3: input.csv.multiline" in c["problems"][0] for c in failed if c["expected"])


def test_its_result_equals_the_native_engines(root, tmp_path, databases):
    data = clicks.write(tmp_path / "clicks.csv", 2000, shuffled=True)
    lake = engine.Lake(tmp_path / "lake")
    lake.run([data], databases)
    args = ("--stack", "plain", "--events", "p", "--rejects", "r")
    command = lake.command([data], databases, *args)
    done = engine.weir(*command, env={"WEIR_STACKS": str(root)}, timeout=300)
    assert done.code == 0, done.err
    same = engine.weir("verify", "--lake", lake.path, "events", "p")
    assert same.code == 0, same.out


@pytest.fixture
def databases(tmp_path):
    from conformance import cases

    path = tmp_path / "default.mmdb"
    path.write_bytes(cases.DATABASES["default"].data)
    return path
