"""What runs the pipeline, without importing it (for `weir stack check`)."""

from __future__ import annotations

import platform
from importlib.metadata import version

PACKAGES = ("polars", "duckdb", "pyarrow", "pyiceberg", "maxminddb", "numpy")


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}
