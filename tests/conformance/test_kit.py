"""`weir stack test`: that the stacks pass the kit, and that the kit notices a stack that does something else."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import textwrap

import pytest
from tools import engine

from conformance import cases


def kit(name: str, *args: str, root: os.PathLike | None = None, tmp: pathlib.Path) -> tuple[int, dict | str]:
    env = {"WEIR_STACKS": str(root)} if root else {}
    env |= {"TMPDIR": str(tmp), "WEIR_BIN": str(engine.BINARY)}
    done = engine.weir("stack", "test", name, *args, env=env, timeout=1800)
    if "--json" not in args:
        return done.code, done.out + done.err
    assert done.out, done.err
    return done.code, json.loads(done.out)


def test_native_passes_every_case(tmp_path):
    code, report = kit("native", "--json", tmp=tmp_path)
    failed = [c for clause in report["clauses"] for c in clause["cases"] if c["result"] != "passed"]
    assert (code, failed) == (0, [])
    assert report["passed"] == len(cases.CASES)
    assert list(tmp_path.iterdir()) == []


def test_the_kit_covers_every_clause_that_csv_can_show():
    numbered = {"1.1", "1.2", "1.3", "1.4", "1.6", "1.7", *(f"2.{n}" for n in range(1, 9))}
    numbered |= {*(f"3.{n}" for n in range(1, 5)), *(f"4.{n}" for n in range(1, 8)), "5.1", "5.2"}
    assert numbered <= set(cases.CLAUSES)


def test_defaults_are_those_of_weir_run():
    ours = json.loads((cases.FOLDER / "defaults.json").read_text())
    weirs = json.loads(engine.weir("run", "--print-pipeline", "--json").out)
    weirs.pop("output", None)
    tokens = ours["clean"]["null_tokens"]
    ours["clean"]["null_tokens"] = [t.lower() for t in tokens]
    assert ours == weirs


def wrapped(folder: pathlib.Path, code: str, serve: bool = False) -> pathlib.Path:
    """A stack whose run is native's, disturbed by some Python in between: `job` is the job, `native()` runs it."""
    stack = folder / "stacks" / "odd"
    stack.mkdir(parents=True)
    (stack / "stack.yaml").write_text("name: odd\nfeatures: [csv, gz, zst, append, keep]\n")
    head = f"""\
        #!/usr/bin/env python3
        import json, pathlib, subprocess, sys
        def native(path, job):
            pathlib.Path(path).write_text(json.dumps(job))
            done = subprocess.run([{str(engine.BINARY)!r}, "run", "--job", path], stderr=subprocess.PIPE, text=True)
            return done.returncode, done.stderr
        """
    loop = "for path in sys.stdin:\n    path = path.strip()\n" if serve else "for path in sys.argv[1:]:\n"
    body = "job = json.loads(pathlib.Path(path).read_text())\n" + textwrap.dedent(code)
    answer = 'print(json.dumps({"job": path, "exit": code, "error": error}), flush=True)\n'
    end = answer if serve else "sys.stderr.write(error)\nsys.exit(code)\n"
    script = stack / ("serve" if serve else "run")
    script.write_text(textwrap.dedent(head) + loop + textwrap.indent(body + end, "    "))
    script.chmod(0o755)
    return stack.parent


def problems(report: dict) -> dict[str, list[str]]:
    found = (c for clause in report["clauses"] for c in clause["cases"])
    return {c["id"]: c["problems"] for c in found if c["result"] == "failed"}


@pytest.mark.parametrize("serve", [False, True], ids=["run", "serve"])
def test_a_wrong_value_is_shown(tmp_path, serve):
    """A session gap other than the pipeline's: what was expected and what came."""
    code = "job['pipeline']['sessions']['gap_seconds'] = 1\ncode, error = native(path, job)\n"
    root = wrapped(tmp_path, code, serve)
    code, report = kit("odd", "--clause", "3.3-exactly", "--json", root=root, tmp=tmp_path)
    assert code == 1 and report["served"] == serve
    lines = problems(report)["3.3-exactly-30-minutes-stays"]
    assert any(line.startswith("events: expected") and '"u1-1704164645000",2' in line for line in lines)
    assert any(line.startswith("events: got") and '"u1-1704166445000",1' in line for line in lines)
    assert "result file: sessions: expected 1, got 2" in lines


@pytest.mark.parametrize("serve", [False, True], ids=["run", "serve"])
def test_a_refusal_that_does_not_come(tmp_path, serve):
    code = "code, error = native(path, job)\ncode = 4 if code == 3 else code\n"
    root = wrapped(tmp_path, code, serve)
    code, text = kit("odd", "--clause", "1.3-zero-bytes", root=root, tmp=tmp_path)
    assert code == 1
    assert "expected exit code 3, got 4" in text and "1 FAILED" in text


def test_a_lying_ledger(tmp_path):
    code = """\
        code, error = native(path, job)
        result = json.loads(pathlib.Path(job["result_file"]).read_text())
        result["rows_in"] += 1
        pathlib.Path(job["result_file"]).write_text(json.dumps(result))
        """
    code, report = kit("odd", "--clause", "1.1", "--json", root=wrapped(tmp_path, code), tmp=tmp_path)
    assert code == 1
    assert problems(report)["1.1-any-order"] == ["result file: rows_in: expected 1, got 2"]


def test_a_stack_that_does_nothing(tmp_path):
    root = wrapped(tmp_path, "code, error = 0, ''\n")
    code, report = kit("odd", "--clause", "1.1-any-order", "--json", root=root, tmp=tmp_path)
    assert code == 1
    lines = problems(report)["1.1-any-order"]
    assert "the stack wrote no result file" in lines and "there is no table web.events" in lines


@pytest.mark.parametrize("serve", [False, True], ids=["run", "serve"])
def test_a_stack_that_hangs_or_dies(tmp_path, serve):
    """Each run has its time; the next case gets a new session."""
    code = """\
        import os, time
        if "2.4-empty-event_id" in path: time.sleep(600)
        if "2.4-empty-user_id" in path: os.kill(os.getpid(), 9)
        code, error = native(path, job)
        """
    root = wrapped(tmp_path, code, serve)
    code, report = kit("odd", "--clause", "2.4-empty", "--timeout", "15", "--json", root=root, tmp=tmp_path)
    assert code == 1
    assert set(problems(report)) == {"2.4-empty-event_id", "2.4-empty-user_id"}


def test_an_error_that_quotes_a_nul_is_an_answer(tmp_path):
    """Taken for no answer, it kept the kit waiting until the time was over."""
    root = wrapped(tmp_path, "code, error = 3, 'input.csv: no header line: \\0'\n", serve=True)
    code, report = kit(
        "odd", "--clause", "1.3-zero-bytes", "--timeout", "600", "--json", root=root, tmp=tmp_path
    )
    assert (code, problems(report)) == (0, {})


def test_a_changed_lake_after_a_repeat(tmp_path):
    """4.6: the same run-id must change nothing."""
    code = "job['run_id'] += '-' + path[-20:].replace('/', '.')\ncode, error = native(path, job)\n"
    root = wrapped(tmp_path, code)
    code, report = kit("odd", "--clause", "4.6-repeat-changes", "--json", root=root, tmp=tmp_path)
    assert code == 1
    assert any("must not have changed" in p for p in problems(report)["4.6-repeat-changes-nothing"])


def test_features_that_a_stack_lacks_are_skipped(tmp_path):
    root = wrapped(tmp_path, "code, error = native(path, job)\n")
    (root / "odd" / "stack.yaml").write_text("name: odd\nfeatures: [csv]\n")
    code, report = kit("odd", "--clause", "1.2", "--json", root=root, tmp=tmp_path)
    skipped = {c["id"]: c["needs"] for c in report["clauses"][0]["cases"] if c["result"] == "skipped"}
    assert code == 0
    assert skipped == {"1.2-gz": "gz", "1.2-gz-members": "gz", "1.2-gz-bom-crlf": "gz"} | {
        "1.2-zst": "zst",
        "1.2-zst-frames": "zst",
    }


def test_another_reader_is_counted_not_failed(tmp_path):
    """--not-strict: rows that the stack's own reader loses."""
    code = """\
        csv = job["pipeline"]["input"]["csv"]
        if not csv["strict"]:
            for name in job["inputs"]:
                lines = pathlib.Path(name).read_bytes().split(b"\\n")
                pathlib.Path(name).write_bytes(b"\\n".join(lines[:2] + lines[3:]))
        code, error = native(path, job)
        """
    root = wrapped(tmp_path, code)
    code, report = kit("odd", "--clause", "2.1-too-few", "--not-strict", "--json", root=root, tmp=tmp_path)
    (case,) = report["clauses"][0]["cases"]
    assert code == 0 and case["reading"] == "not strict" and case["result"] == "failed"
    assert case["got"] == {"rows_in": 2, "rows_out": 2, "rejected": 0, "changed": 0, "lost": 1}


def test_keep_leaves_what_repeats_a_case(tmp_path):
    kept = tmp_path / "kept"
    code, _ = kit("native", "--clause", "1.1-any-order", "--keep", str(kept), tmp=tmp_path)
    assert code == 0
    job = kept / "1.1-any-order" / "0" / "job.json"
    again = subprocess.run([engine.BINARY, "run", "--job", job], capture_output=True, check=False)
    assert again.returncode == 0, again.stderr


def test_errors(tmp_path):
    assert kit("native", "--clause", "9.9", tmp=tmp_path)[0] == 2
    assert kit("native", "--kit", str(tmp_path), tmp=tmp_path)[0] == 3
    assert kit("none", tmp=tmp_path)[0] == 3
