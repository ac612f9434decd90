"""docs/conformance.md is what scripts/conformance makes of docs/conformance.json, and knows all clauses and stacks."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json

from tools import engine

from conformance import cases


def load():
    path = str(engine.ROOT / "scripts/conformance")
    loader = importlib.machinery.SourceFileLoader("conformance_page", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_the_page_is_made_of_what_was_found():
    made = load()
    clauses, count = made.kit()
    stacks = json.loads(made.KEPT.read_text())
    assert (clauses, count) == (cases.CLAUSES, len(cases.CASES))
    assert made.page(made.ordered(stacks), clauses, count) == made.PAGE.read_text()


def test_it_lists_every_clause_and_the_stacks():
    page = load().PAGE.read_text()
    strict = page.split("## Strict reading")[1].split("\n## ")[0]
    for clause, title in cases.CLAUSES.items():
        assert f"| {clause} {title} |" in strict
    for stack in ("native", "pythonic"):
        assert f"- **{stack}** (" in page


def test_no_stack_differs_when_reading_strictly():
    stacks = json.loads(load().KEPT.read_text())
    for name, found in stacks.items():
        assert set(found["clauses"]) == set(cases.CLAUSES), name
        for clause, by_reading in found["clauses"].items():
            strict = by_reading["strict"]
            assert strict["failed"] == [] and strict["passed"] == strict["run"], (name, clause)


def test_every_case_of_native_was_run():
    found = json.loads(load().KEPT.read_text())["native"]["clauses"].values()
    assert sum(r["run"] for by_reading in found for r in by_reading.values()) == len(cases.CASES)
