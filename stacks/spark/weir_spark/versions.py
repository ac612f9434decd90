"""What runs the pipeline, without starting it (for `weir stack check`)."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

STACK = Path(__file__).resolve().parents[1]


def java_version(java: str) -> str:
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "([^"]+)"', text)
    return found[1] if found else "unknown"


def versions(java: str) -> dict[str, str]:
    """`java`: its version."""
    out = {"python": platform.python_version(), "java": java}
    out |= {p: version(p) for p in ("pyspark", "pyarrow", "maxminddb", "numpy")}
    for line in (STACK / "jars.txt").read_text().splitlines():
        _, name, number = line.split()[0].split(":")
        out[name] = number
    for line in (STACK / "jars-s3.txt").read_text().splitlines():
        _, name, number = line.split()[0].split(":")
        if name in ("hadoop-aws", "s3"):  # of the SDK's many parts all are of one version
            out[name if name != "s3" else "awssdk"] = number
    return out
