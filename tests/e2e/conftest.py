"""Fixtures of the end-to-end tests."""

import os
import pathlib
import shutil

import pytest
from conformance import cases
from tools import engine, mmdb_writer


@pytest.fixture(scope="session")
def small_mmdb(tmp_path_factory) -> pathlib.Path:
    """A tiny country database."""
    path = tmp_path_factory.mktemp("mmdb") / "small.mmdb"
    codes = ("US", "DE", "FR", "JP", "BR", "IN", "ZA")
    wide = [(f"{n}.0.0.0/8", {"country_code": codes[n % 7]}) for n in range(1, 223)]
    path.write_bytes(mmdb_writer.build([*wide, *cases.NETWORKS]))
    return path


@pytest.fixture(scope="session")
def real_mmdb() -> pathlib.Path:
    """WEIR_MMDB, else where setup puts the demo's database."""
    path = pathlib.Path(os.environ.get("WEIR_MMDB", engine.ROOT / ".cache" / "country.mmdb"))
    assert path.exists(), f"no country database at {path}: run setup or set WEIR_MMDB"
    return path


@pytest.fixture(scope="session")
def access_log() -> pathlib.Path:
    """WEIR_ACCESS_LOG, else the shared copy beside the checkout, else the excerpt kept here."""
    shared = engine.ROOT.parent / "shared" / "data" / "access_log.csv"
    if "WEIR_ACCESS_LOG" in os.environ:
        return pathlib.Path(os.environ["WEIR_ACCESS_LOG"])
    if shared.exists():
        return shared
    return pathlib.Path(__file__).with_name("access_log_excerpt.csv")


@pytest.fixture
def lake(tmp_path):
    yield engine.Lake(tmp_path / "lake")
    shutil.rmtree(tmp_path, ignore_errors=True)
