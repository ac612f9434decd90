"""The page of weir report, in a real browser: Chromium by its WebDriver."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tools import browser, results
from tools.engine import BINARY, ROOT

UPLOT = pathlib.Path(os.environ.get("WEIR_UPLOT", ROOT / ".cache/uplot"))
needs_browser = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "-")
needs_charts = pytest.mark.skipif(
    not (UPLOT / "uPlot.iife.min.js").exists(), reason="no uPlot: run scripts/setup, or set WEIR_UPLOT"
)

SECTIONS = ["answer", "time", "needs", "behaviour", "scale", "cost", "trust"]


def fail(sample: dict[str, Any]) -> None:
    if sample["stack"] == "spark" and sample["cpus"] == 1 and sample["repetition"] == 3:
        sample["status"], sample["error"] = "oom", "killed at the limit of 4 GB"


PLAN = results.Plan(
    sizes=(("tiny", 100_000), ("small", 8_000_000)), cpus=(1, 2), caches=("warm", "cold"), change=fail
)


def page(folder: pathlib.Path, *files: pathlib.Path, charts: bool = True) -> pathlib.Path:
    out = folder / "report.html"
    environment = {**os.environ, "WEIR_UPLOT": str(UPLOT if charts else folder)}
    done = subprocess.run(
        [BINARY, "report", *files, "--html", out], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("page")
    two = results.write(folder / "two.jsonl", results.Plan(seed=2, n=6, machine="two"))
    return page(folder, results.write(folder / "one.jsonl", PLAN), two)


@pytest.fixture(scope="module")
def driver() -> Iterator[str]:
    with browser.driver() as address:
        yield address


def texts(session: browser.Browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    return session.run(script, selector)


@needs_browser
@needs_charts
def test_complete_and_silent(made: pathlib.Path, driver: str) -> None:
    with browser.browser(driver) as session:
        session.open(made)
        assert session.run("return [...document.querySelectorAll('section')].map((s) => s.id)") == SECTIONS
        assert (
            session.run("return performance.getEntriesByType('resource').length") == 0
        ), "it fetches nothing"
        # Three stacks' memory and CPU over time, two ladders, the order of the runs.
        assert session.run("return document.querySelectorAll('.uplot canvas').length") == 9
        assert session.run("return document.querySelectorAll('svg.bars').length") == 2
        assert "spark takes" in session.run("return document.title")
        assert session.complaints() == []


@needs_browser
@needs_charts
def test_curves_are_drawn_in_the_stacks_colours(made: pathlib.Path, driver: str) -> None:
    script = """
        const c = document.querySelectorAll('.multiples canvas')[1], d = c.getContext('2d');
        const p = d.getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < p.length; i += 4) n += p[i] > 200 && p[i + 1] > 80 && p[i + 1] < 110 && p[i + 2] < 20 && p[i + 3] > 250;
        return n;"""
    with browser.browser(driver) as session:
        session.open(made)
        assert session.run(script) > 50, "the second is spark's, #D55E00"


@needs_browser
@pytest.mark.parametrize("charts", [True, False])
@pytest.mark.parametrize("dark", [False, True])
def test_fits_a_phone(tmp_path: pathlib.Path, driver: str, dark: bool, charts: bool) -> None:
    made = page(tmp_path, results.write(tmp_path / "one.jsonl"), charts=charts)
    with browser.browser(driver, width=360, dark=dark) as session:
        session.open(made)
        assert session.run("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
        session.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        widest = (
            "return Math.max(...[...document.querySelectorAll('caption span')].map((s) => s.offsetWidth))"
        )
        assert 100 < session.run(widest) < 360, "what a wide table is about can be read without scrolling"
        paper = session.run("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")
        assert session.complaints() == []


@needs_browser
def test_without_the_chart_library(tmp_path: pathlib.Path, driver: str) -> None:
    made = page(tmp_path, results.write(tmp_path / "one.jsonl", PLAN), charts=False)
    with browser.browser(driver) as session:
        session.open(made)
        assert session.run("return document.querySelectorAll('canvas').length") == 0
        assert any("The curves need uPlot" in t and "scripts/setup" in t for t in texts(session, "p"))
        assert any("Job time (s) by rows" in t for t in texts(session, "caption"))
        assert session.run("return document.querySelectorAll('svg.bars').length") == 2
        assert session.complaints() == []


@needs_browser
def test_keyboard_and_names(made: pathlib.Path, driver: str) -> None:
    tab, enter, down = "\ue004", "\ue007", "\ue015"
    with browser.browser(driver) as session:
        session.open(made)
        session.keys(tab)
        assert session.run("return document.activeElement.className") == "skip"
        title = session.run("return document.getElementById('headline').textContent")
        session.run("document.getElementById('case').focus()")
        session.keys(down)
        assert (
            session.run("return document.activeElement.id") == "case"
        ), "the focus stays when the page is drawn anew"
        assert session.run("return document.getElementById('headline').textContent") != title
        session.run("document.querySelector('.seal summary').focus()")
        session.keys(enter)
        assert session.run("return document.querySelector('.seal').open")
        nameless = session.run(
            "return [...document.querySelectorAll('[role=img], [role=region], input, select')].filter("
            "(e) => !e.getAttribute('aria-label') && !e.closest('label')).length"
        )
        assert nameless == 0
        assert session.run(
            "return [...document.querySelectorAll('table')].every((t) => t.caption && t.querySelector('th[scope=col]')"
            " && t.querySelector('th[scope=row]'))"
        )
        # Each figure has its numbers in a table of the same section.
        assert session.run(
            "return [...document.querySelectorAll('figure')].every((f) => f.closest('section').querySelector('table'))"
        )


@needs_browser
def test_toggles(made: pathlib.Path, driver: str) -> None:
    scope = "return document.querySelector('#time .scope').textContent"
    bars = "return document.querySelector('#time-bars svg').getAttribute('aria-label')"
    with browser.browser(driver) as session:
        session.open(made)
        warm, total = session.run(
            "return document.getElementById('case').selectedOptions[0].text"
        ), session.run(bars)
        session.run("document.getElementById('deployment').click()")
        assert total.startswith("Total time") and session.run(bars).startswith("Job time")
        session.run("document.querySelector('#time input').click()")
        cold = session.run("return document.getElementById('case').selectedOptions[0].text")
        assert "/warm/" in warm and cold == warm.replace("/warm/", "/cold/")
        assert "8.0 M rows" in session.run(scope)


@needs_browser
@pytest.mark.parametrize("together", [False, True])
def test_machines_stand_side_by_side(tmp_path: pathlib.Path, driver: str, together: bool) -> None:
    """Of one case on two machines each has a name of its own and its own figures, in two files or in one."""
    files = [
        results.write(tmp_path / f"{machine}.jsonl", results.Plan(seed=seed, machine=machine, series=False))
        for seed, machine in ((1, "one"), (2, "two"))
    ]
    if together:
        both = tmp_path / "both.jsonl"
        both.write_text("".join(f.read_text() for f in files))
        files = [both]
    made = page(tmp_path, *files)
    with browser.browser(driver, width=360) as session:
        session.open(made)
        options = texts(session, "#case option")
        assert ["Example CPU" in o for o in options] == [True, False]
        assert ["Other CPU" in o for o in options] == [False, True]
        assert len(texts(session, "#answer details tbody tr")) >= 2, "all cases, one on each line"
        seen = []
        for i in range(2):
            session.run(
                "const s = document.getElementById('case'); s.value = arguments[0];"
                "s.dispatchEvent(new Event('change'));",
                str(i),
            )
            seen.append((texts(session, "#scope")[0], texts(session, "#answer table")[0]))
        assert ["Example CPU" in scope for scope, _ in seen] == [True, False]
        assert seen[0][1] != seen[1][1]
        assert session.run("return document.documentElement.scrollWidth") == 360
        assert session.complaints() == []


@needs_browser
def test_cases_of_one_name_are_told_apart(tmp_path: pathlib.Path, driver: str) -> None:
    """Another kernel on the same machine is another case, though nothing in its name says so."""
    first = results.write(tmp_path / "first.jsonl", results.Plan(series=False)).read_text()
    kernel = json.loads(first.splitlines()[0])["environment"]["kernel"]
    both = tmp_path / "both.jsonl"
    both.write_text(first + first.replace(json.dumps(kernel), json.dumps(kernel + "-new")))
    with browser.browser(driver) as session:
        session.open(page(tmp_path, both))
        options = texts(session, "#case option")
        assert len(options) == len(set(options)) == 2, options


@needs_browser
def test_prices_can_be_changed(made: pathlib.Path, driver: str) -> None:
    first = "return document.querySelector('#cost tbody td').textContent"
    change = (
        "const i = document.getElementById(arguments[0]); i.value = arguments[1];"
        "i.dispatchEvent(new Event('change'));"
    )
    with browser.browser(driver) as session:
        session.open(made)
        before = float(session.run(first).split()[0])
        assert "assumed" in session.run("return document.getElementById('cost').textContent")
        for price in ("cpu_hour", "gb_hour"):
            value = float(session.run(f"return document.getElementById('price-{price}').value"))
            session.run(change, f"price-{price}", str(10 * value))
        assert float(session.run(first).split()[0]) == pytest.approx(10 * before, rel=0.01)
        session.run(change, "price-runs_per_month", "-3")
        assert session.run("return document.getElementById('price-runs_per_month').value") == "730"


@needs_browser
def test_contrast(made: pathlib.Path, driver: str) -> None:
    """WCAG AA for text: 4.5 to 1, in light and dark."""
    script = """
        const light = (c) => { const f = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
        const rgb = (t) => t.match(/[0-9.]+/g).slice(0, 3).map(Number);
        const paper = light(rgb(getComputedStyle(document.body).backgroundColor));
        const ratios = [...document.querySelectorAll('p, li, th, td, h1, h2, a, summary, .mark, .range')].map((e) => {
          const ink = light(rgb(getComputedStyle(e).color));
          return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); });
        return Math.min(...ratios);"""
    for dark in (False, True):
        with browser.browser(driver, dark=dark) as session:
            session.open(made)
            assert session.run(script) >= 4.5


@needs_browser
def test_prints(made: pathlib.Path, driver: str) -> None:
    with browser.browser(driver, dark=True) as session:
        session.open(made)
        closed = session.run("return document.querySelectorAll('details:not([open])').length")
        pdf = session.print()
        assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 3
        assert session.run("return document.querySelectorAll('details:not([open])').length") == closed


@needs_browser
def test_hostile_text_stays_text(tmp_path: pathlib.Path, driver: str) -> None:
    evil = (
        "</script><script>document.title='bad'</script><img src=x onerror=\"document.title='bad'\">{{data}}"
    )
    records = results.records(results.Plan())
    for r in records:
        for key in ("stack", "title", "case", "error", "digest", "data"):
            if key in r and isinstance(r[key], str):
                r[key] += evil
        if "colour" in r:
            r["colour"] = 'red"><script>document.title="bad"</script>'
        if r["type"] == "run":
            r["environment"]["cpu"] = evil
            r["command"] = ["weir", evil]
    path = tmp_path / "evil.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    made = page(tmp_path, path)
    with browser.browser(driver) as session:
        session.open(made)
        assert "bad" not in session.run("return document.title.replaceAll('=\\'bad\\'', '')")
        assert session.run("return document.querySelectorAll('img, main script').length") == 0
        assert any("onerror" in t for t in texts(session, "th"))
        assert session.complaints() == []


@needs_browser
def test_no_verdict_and_failures_are_said(tmp_path: pathlib.Path, driver: str) -> None:
    plan = results.Plan(n=6, twins=6, cpus=(1,), change=fail, series=False)
    made = page(tmp_path, results.write(tmp_path / "few.jsonl", plan))
    with browser.browser(driver) as session:
        session.open(made)
        assert texts(session, "h1")[0].startswith("No verdict on the job time")
        assert any("A against A is a tie: not known" in t for t in texts(session, ".seal summary"))
        assert any(t.startswith("spark: 1 of 6 runs gave no timing: 1 oom") for t in texts(session, "li"))
        assert any("No advice" in t for t in texts(session, "li"))
        assert any("No curve over time" in t for t in texts(session, "h2"))
        assert session.complaints() == []


@needs_browser
@needs_charts
def test_short_jobs_are_drawn(tmp_path: pathlib.Path, driver: str) -> None:
    """Of a tenth to a third of a second: an axis on which the chart library never comes to an end by itself."""
    times = [0.235392, 0.2421, 0.202007, 0.165368, 0.151104, 0.149519]

    def change(sample: dict) -> None:
        sample["metrics"]["job_s"] = times[sample["order"] % len(times)]

    made = page(
        tmp_path, results.write(tmp_path / "short.jsonl", results.Plan(n=3, change=change, series=False))
    )
    with browser.browser(driver) as session:
        session.open(made)
        assert session.run("return document.querySelectorAll('.uplot canvas').length") > 0
        assert session.complaints() == []


def test_says_all_without_a_script_too(made: pathlib.Path) -> None:
    text = made.read_text()
    inside = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "ETL stack comparison" in inside and "Job Time (s)" in inside
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    if (UPLOT / "LICENSE").exists():
        assert "Permission is hereby granted" in text, "uPlot's licence goes with it"


def test_where_the_page_cannot_be_made(tmp_path: pathlib.Path) -> None:
    path = results.write(tmp_path / "one.jsonl", results.Plan(series=False))
    lone = tmp_path / "bin/weir"
    lone.parent.mkdir()
    lone.write_bytes(BINARY.read_bytes())
    lone.chmod(0o755)
    done = subprocess.run(
        [lone, "report", path, "--html", tmp_path / "x.html"], capture_output=True, text=True
    )
    assert done.returncode == 3 and "make install" in done.stderr
    assert "ETL stack comparison" in done.stdout, "the table is printed all the same"
    done = subprocess.run(
        [BINARY, "report", path, "--html", tmp_path / "no/x.html"], capture_output=True, text=True
    )
    assert done.returncode == 4 and "no/x.html" in done.stderr


def test_installed(tmp_path: pathlib.Path) -> None:
    """make install puts the page's parts where the installed binary finds them."""
    done = subprocess.run([ROOT / "scripts/install", BINARY, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = results.write(tmp_path / "one.jsonl", results.Plan(series=False))
    environment = {k: v for k, v in os.environ.items() if k != "WEIR_UPLOT"}
    done = subprocess.run(
        [tmp_path / "bin/weir", "report", path, "--html", tmp_path / "x.html"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    has_charts = (ROOT / ".cache/uplot/uPlot.iife.min.js").exists()
    assert ("without charts" in done.stderr) == (not has_charts)
    assert "ETL stack comparison" in (tmp_path / "x.html").read_text()
