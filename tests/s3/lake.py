"""A lake whose tables lie on S3, and other readers' view of it."""

from __future__ import annotations

import os
import pathlib

import pytest
from tools import engine
from tools.minio import BUCKET


class Lake(engine.Lake):
    """Catalog in a folder, warehouse on S3."""

    def __init__(self, folder: pathlib.Path, server, mmdb: pathlib.Path, endpoint: str = "") -> None:
        super().__init__(folder / "lake")
        self.server, self.prefix = server, folder.name
        self.env = {
            **server.env,
            "WEIR_MMDB": str(mmdb),
            "WEIR_WAREHOUSE": f"s3://{BUCKET}/{self.prefix}",
            "WEIR_S3_ENDPOINT": endpoint or server.endpoint,
            "WEIR_DUCKDB": os.environ.get("WEIR_DUCKDB", ""),
        }
        if not self.env["WEIR_DUCKDB"]:
            del self.env["WEIR_DUCKDB"]
        self.left = self._uploads()

    def weir(self, command: str, *args: str | os.PathLike, **more) -> engine.Outcome:
        """With the environment as the only place that names the warehouse."""
        env = {**self.env, **more.pop("env", {})}
        return engine.weir(command, *args, env={**env, "WEIR_LAKE": str(self.path)}, **more)

    def objects(self, part: str = "") -> dict[str, int]:
        found = self.server.client().objects(BUCKET, f"{self.prefix}/")
        return {k: n for k, n in found.items() if part in k}

    def needs_httpfs(self) -> None:
        """Whoever asks is skipped without it; there has to be a table."""
        if "httpfs" in self.weir("sql", "select 1").err:
            pytest.skip("DuckDB's httpfs is not installed: scripts/setup --s3")

    def _uploads(self) -> set[pathlib.Path]:
        """MinIO keeps parts of uploads in this folder until they are completed or aborted."""
        folder = self.server.data / ".minio.sys/multipart"
        return {p for p in folder.rglob("*") if p.is_file()} if folder.exists() else set()

    def no_uploads(self) -> bool:
        """None but what others left, whose server was killed."""
        return self._uploads() <= self.left


def arrow(lake: Lake, table: str, server):
    """The table as PyIceberg reads it from S3."""
    from pyiceberg.table import StaticTable

    access, secret = server.keys
    properties = {
        "s3.endpoint": server.endpoint,
        "s3.access-key-id": access,
        "s3.secret-access-key": secret,
        "s3.region": "us-east-1",
    }
    return StaticTable.from_metadata(lake.location(table), properties).scan().to_arrow()


def local_rows(folder: pathlib.Path, inputs: list, mmdb: pathlib.Path) -> dict[str, int]:
    plain = engine.Lake(folder)
    return plain.run(inputs, mmdb).ledger


def same(ledger: dict, other: dict) -> bool:
    return all(
        ledger[k] == other[k] for k in ("rows_in", "rows_out", "rejected", "nulled", "sessions", "users")
    )
