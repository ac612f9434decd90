"""The country of each address (2.8): broadcast joins with the database's ranges, no Python on the row path.

A range join alone would compare every row with every range. Here each range stands once for each bucket of addresses
that it touches, and the bucket is the join's key: a row is compared with the handful of ranges of its own bucket. Where
networks are small there are thousands of them in a bucket that suits the large, so there are buckets of several sizes,
each of which holds the ranges that touch only few of its kind, and a row is looked for in all. They are one table: it
is sent once. Ranges are disjoint, so a row finds one at the most.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import mmdb
from .addresses import hex_ipv4, ipv4_number, octets, with_digits

UNKNOWN = "ZZ"
MAPPED, EMBEDDED = "0" * 20 + "ffff", "0" * 24
# Bits of a bucket, and in how many of its kind a range may stand: with these a range of DB-IP's country data has 16.6
# others in its bucket in the mean (with /16 alone 444), and one of IPv6 4 (with /24 and /8: thousands, at most 33,873).
IPV4_BITS, IPV4_COPIES = (16, 24), 2
IPV6_BITS, IPV6_COPIES = (16, 24, 32, 40, 48, 56, 64), 8
# The coarsest hold what is left: 65,536 copies at the most, of a range of all addresses.
U64 = np.uint64


def _spread(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each bucket from first to last: the range's number, the bucket."""
    counts = (last - first).astype(np.int64) + 1
    which = np.repeat(np.arange(len(first)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return which, first.astype(np.int64)[which] + np.arange(len(which)) - before


def _in_buckets(
    first: np.ndarray, last: np.ndarray, size: int, bits: tuple[int, ...], copies: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Of ranges of numbers of `size` bits, for each of `bits`: it, the numbers of the ranges there, their buckets."""
    left = np.arange(len(first))
    for n in sorted(bits, reverse=True):
        shift = U64(size - n)
        low, high = first[left] >> shift, last[left] >> shift
        fits = (high - low < U64(copies)) if n > min(bits) else np.ones(len(left), bool)
        which, bucket = _spread(low[fits], high[fits])
        yield n, left[fits][which], bucket
        left = left[~fits]


def _key4(number: str, bits: int) -> str:
    return f"shiftright({number}, {32 - bits}) + {bits << 32}L"


def _ipv4_table(ranges: mmdb.Ranges) -> pa.Table:
    found = list(_in_buckets(ranges.first, ranges.last, 32, IPV4_BITS, IPV4_COPIES))
    at = np.concatenate([at for _, at, _ in found])
    return pa.table(
        {
            "bucket": np.concatenate([bucket + (bits << 32) for bits, _, bucket in found]),
            "first": ranges.first.astype(np.int64)[at],
            "last": ranges.last.astype(np.int64)[at],
            "found": pa.array(ranges.country[at].tolist(), pa.string()),
        }
    )


def _ipv6_table(ranges: mmdb.Ranges) -> pa.Table:
    """Addresses as their 16 bytes; a bucket as its first, and buckets of different sizes are so many."""
    found = list(_in_buckets(ranges.first_hi, ranges.last_hi, 64, IPV6_BITS, IPV6_COPIES))
    at = np.concatenate([at for _, at, _ in found])
    buckets = [b.to_bytes(bits // 8, "big") for bits, _, bucket in found for b in bucket.astype(U64).tolist()]

    def whole(hi: np.ndarray, lo: np.ndarray) -> pa.Array:
        both = np.stack([hi[at], lo[at]], axis=1).astype(">u8").tobytes()
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(at), [None, pa.py_buffer(both)])

    return pa.table(
        {
            "bucket": pa.array(buckets, pa.binary()),
            "first": whole(ranges.first_hi, ranges.first).cast(pa.binary()),
            "last": whole(ranges.last_hi, ranges.last).cast(pa.binary()),
            "found": pa.array(ranges.country[at].tolist(), pa.string()),
        }
    )


class Tables:
    """One database, as Spark is sent it."""

    def __init__(self, path: str | None) -> None:
        database = mmdb.read(path)
        self.aliases = [(f"{hi:016x}{lo:016x}", length // 4) for hi, lo, length in database.aliases]
        self.ipv4 = _ipv4_table(database.ipv4)
        self.ipv6 = None if database.ipv6 is None else _ipv6_table(database.ipv6)


class Countries:
    """One database in one session."""

    def __init__(self, spark: SparkSession, tables: Tables) -> None:
        self.aliases = tables.aliases
        self.embedded = [MAPPED] if tables.ipv6 is None else [MAPPED, EMBEDDED]
        self.ipv4 = spark.createDataFrame(tables.ipv4)
        self.ipv6 = None if tables.ipv6 is None else spark.createDataFrame(tables.ipv6)

    def locate(self, rows: DataFrame) -> DataFrame:
        """Adds `country` to rows that have a valid or no `ip_address`."""
        inside = [f"WHEN left(digits, 24) = '{e}' THEN {hex_ipv4('right(digits, 8)')}" for e in self.embedded]
        inside += [
            f"WHEN startswith(digits, '{prefix[:n]}') THEN {hex_ipv4(f'substring(digits, {n + 1}, 8)')}"
            for prefix, n in self.aliases
        ]
        columns = rows.columns
        split = f"CASE WHEN digits IS NULL THEN {octets('ip_address')} END AS parts"
        found = with_digits(rows, "ip_address").selectExpr("*", split)
        found = found.selectExpr(
            "*",
            f"CASE WHEN digits IS NULL THEN {ipv4_number('parts')} {' '.join(inside)} END AS number",
        )
        found = found.selectExpr(
            *columns, "number", "CASE WHEN number IS NULL THEN unhex(digits) END AS bytes"
        )
        levels = [(self.ipv4, "number", _key4("number", bits)) for bits in IPV4_BITS]
        if self.ipv6 is not None:
            levels += [(self.ipv6, "bytes", f"substring(bytes, 1, {bits // 8})") for bits in IPV6_BITS]
        for n, (table, value, key) in enumerate(levels):
            there = F.broadcast(table.toDF(*(f"{c}{n}" for c in table.columns)))
            on = F.expr(f"{key} = bucket{n} AND {value} BETWEEN first{n} AND last{n}")
            found = found.join(there, on, "left")
        names = [f"found{n}" for n in range(len(levels))]
        return found.selectExpr(*columns, f"coalesce({', '.join(names)}, '{UNKNOWN}') AS country")


Key = tuple[str, int, int]


def _key(path: str | None) -> Key | None:
    if path is None or not os.path.exists(path):
        return None
    about = os.stat(path)
    return (path, about.st_mtime_ns, about.st_size)


class CountryCache:
    """A session's jobs mostly share one database."""

    def __init__(self) -> None:
        self.key: Key | None = None
        self.countries: Countries | None = None
        self.early: tuple[Key | None, Future[Tables]] | None = None

    def begin(self, path: str | None) -> None:
        """Read it in a thread, while the JVM starts. Errors are raised by `get`."""
        pool = ThreadPoolExecutor(1)
        self.early = (_key(path), pool.submit(Tables, path))
        pool.shutdown(wait=False)

    def get(self, spark: SparkSession, path: str | None) -> Countries:
        key = _key(path)
        if self.countries is None or key is None or key != self.key:
            early, self.early = self.early, None
            tables = early[1].result() if early and early[0] == key else Tables(path)
            self.countries, self.key = Countries(spark, tables), key
        return self.countries
