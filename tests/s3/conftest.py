"""One MinIO for the session, and one with TLS; skipped, and said so, where its program is missing."""

from __future__ import annotations

import pathlib
import subprocess

import pytest
from conformance import cases
from tools import clicks, engine, minio, mmdb_writer


@pytest.fixture(scope="session")
def server():
    if not minio.program():
        pytest.skip(minio.MISSING)
    started = minio.Minio()
    try:
        yield started.make()
    finally:
        started.remove()


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory):
    """Its certificate is by an authority that only this test knows."""
    if not minio.program():
        pytest.skip(minio.MISSING)
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*args: str) -> None:
        done = subprocess.run(["openssl", *args], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        *new,
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=authority",
        "-keyout",
        "authority.key",
        "-out",
        "authority.crt",
    )
    openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", "private.key", "-out", "request.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("x509", "-req", "-in", "request.pem", "-CA", "authority.crt", "-CAkey", "authority.key")
    openssl(*signed, "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "public.crt")
    started = minio.Minio(certificates=folder)
    try:
        yield started.make()
    finally:
        started.remove()


@pytest.fixture(scope="session")
def mmdb(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("mmdb") / "small.mmdb"
    path.write_bytes(mmdb_writer.build(cases.NETWORKS))
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory, mmdb) -> pathlib.Path:
    """Very dirty rows of a few days, as CSV, gzip, zstd and Parquet."""
    folder = tmp_path_factory.mktemp("data")
    for name, *more in (("csv",), ("parquet", "--format", "parquet", "--files", "2")):
        done = engine.weir(
            *("gen", "--rows", "20000", "--dirt", "much", "--days", "3", "--out", folder / name),
            *more,
            env={"WEIR_MMDB": str(mmdb)},
        )
        assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> pathlib.Path:
    """One day whose table takes a multipart upload."""
    folder = tmp_path_factory.mktemp("large")
    return clicks.write(folder / "day.csv", 500_000, days=1)
