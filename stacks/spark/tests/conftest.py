"""Unit tests of the package, with what `setup` installed; Spark is started once. That the stack keeps the whole contract is
shown by tests/conformance of the repository (WEIR_TEST_STACK=spark WEIR_TEST_SERVE=1)."""

import pathlib
import shutil
import sys

import pytest

STACK = pathlib.Path(__file__).resolve().parents[1]
LIBRARIES = list(STACK.glob(".venv/lib/python3*/site-packages"))
sys.path[:0] = [str(STACK), *map(str, LIBRARIES)]

if not LIBRARIES or not shutil.which("java"):
    print("skipped: stack spark is not set up (weir stack setup spark)", file=sys.stderr)
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    from weir_spark import session
    from weir_spark.job import Job, Pipeline

    catalog = {"uri": "sqlite:///none", "warehouse": "file:///none"}
    names = ("web", "events", "rejects")
    job = Job("1", "overwrite", (), Pipeline.of({}), None, catalog, *names, 1, 2 << 30, None, None, None)
    sys.executable = str(STACK / ".venv/bin/python")  # what Python workers run
    yield session.open_session(job, str(tmp_path_factory.mktemp("scratch")))
    for process in session.JVM:
        process.kill()
        process.wait()
