"""The databases that the writer makes are read by both maxminddb readers as meant."""

import maxminddb
import pytest
from tools import mmdb_writer

from reference.pipeline_reference import Geo

US = {"country": {"iso_code": "US"}}
DE = {"country_code": "DE"}
FR = {"registered_country": {"iso_code": "FR"}}
READERS = [maxminddb.MODE_MEMORY, maxminddb.MODE_AUTO]


def opened(tmp_path, mode, *args, **kwargs):
    path = tmp_path / "x.mmdb"
    path.write_bytes(mmdb_writer.build(*args, **kwargs))
    return maxminddb.open_database(str(path), mode)


@pytest.mark.parametrize("mode", READERS)
@pytest.mark.parametrize("record_size", [24, 28, 32])
def test_both_families(tmp_path, mode, record_size):
    db = opened(
        tmp_path,
        mode,
        [("1.2.0.0/16", US), ("1.2.3.0/24", DE), ("2001:db8::/32", FR)],
        record_size=record_size,
    )
    assert db.get("1.2.4.1") == US
    assert db.get("1.2.3.255") == DE
    assert db.get("1.3.0.0") is None
    assert db.get("2001:db8::1") == FR
    assert db.get("::1.2.3.4") == DE
    assert db.get("::ffff:1.2.3.4") is None


@pytest.mark.parametrize("mode", READERS)
def test_aliases(tmp_path, mode):
    aliases = ("::ffff:0:0/96", "2002::/16")
    db = opened(tmp_path, mode, [("1.2.3.0/24", US)], aliases=aliases)
    assert db.get("2002:0102:0304::1") == US
    assert db.get("::ffff:1.2.3.4") == US


@pytest.mark.parametrize("mode", READERS)
def test_ipv4_only(tmp_path, mode):
    db = opened(tmp_path, mode, [("1.2.3.0/24", US)], ip_version=4)
    assert db.get("1.2.3.4") == US
    assert db.get("9.9.9.9") is None


def test_long_strings_and_values(tmp_path):
    value = {"s": "x" * 300, "t": "y" * 70_000, "n": mmdb_writer.U64(2**40), "l": [True, 1.5, b"z"]}
    db = opened(tmp_path, maxminddb.MODE_AUTO, [("0.0.0.0/0", value)])
    assert db.get("200.1.1.1") == value


def test_reference_country(tmp_path):
    path = tmp_path / "x.mmdb"
    both = {**US, "registered_country": {"iso_code": "FR"}}
    path.write_bytes(mmdb_writer.build([("1.0.0.0/8", both), ("2.0.0.0/8", FR), ("3.0.0.0/8", DE)]))
    geo = Geo(str(path))
    found = [geo.country(ip) for ip in ("1.1.1.1", "2.2.2.2", "3.3.3.3", "::ffff:3.3.3.3", "4.4.4.4")]
    assert found == ["US", "FR", "DE", "DE", "ZZ"]
