"""A Spark session with Iceberg over a lake, for tests.

Needs WEIR_TEST_SPARK_PYTHON (a Python with pyspark 4.1) and WEIR_TEST_SPARK_JARS (a folder with
iceberg-spark-runtime-4.1_2.13 and sqlite-jdbc): `scripts/setup --spark` installs both, and tests/run_all sets them.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest

PYTHON = os.environ.get("WEIR_TEST_SPARK_PYTHON", "")
JARS = os.environ.get("WEIR_TEST_SPARK_JARS", "")
spark_only = pytest.mark.skipif(
    not PYTHON or not JARS,
    reason="Spark is not installed: scripts/setup --spark (WEIR_TEST_SPARK_PYTHON, WEIR_TEST_SPARK_JARS)",
)


class Spark:
    def __init__(self, lake: pathlib.Path, schema_version: str = "V1") -> None:
        script = pathlib.Path(__file__).with_name("spark_sql.py")
        self.process = subprocess.Popen(
            [PYTHON, str(script), str(lake), JARS, schema_version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while (line := self.process.stdout.readline().strip()) != "ready":
            assert self.process.poll() is None, "Spark did not start"
            assert line is not None

    def sql(self, text: str) -> list[list[str | None]]:
        self.process.stdin.write(" ".join(text.split()) + "\n")
        self.process.stdin.flush()
        got = json.loads(self.process.stdout.readline())
        assert isinstance(got, list), got
        return got

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)
