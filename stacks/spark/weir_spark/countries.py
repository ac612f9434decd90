"""The country of each address (2.8): broadcast joins with the database's ranges, no Python on the row path.

A range join alone would compare every row with every range. Here each range stands once for each bucket of addresses
that it touches (an IPv4 /16, an IPv6 /24, and an IPv6 /8 for the few widest), and the bucket is the join's key: a row
is compared with the handful of ranges of its own bucket. Ranges are disjoint, so a row finds one at the most.
"""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import mmdb
from .addresses import hex_ipv4, ipv4_number, octets, with_digits

UNKNOWN = "ZZ"
MAPPED, EMBEDDED = "0" * 20 + "ffff", "0" * 24
NARROW, WIDE = 6, 2  # hexadecimal digits of a bucket
WIDEST_NARROW = 1 << 12  # buckets
U64 = np.uint64


def _spread(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each bucket from first to last: the range's number, the bucket."""
    counts = (last - first).astype(np.int64) + 1
    which = np.repeat(np.arange(len(first)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return which, first.astype(np.int64)[which] + np.arange(len(which)) - before


def _ipv4_table(ranges: mmdb.Ranges) -> pa.Table:
    which, bucket = _spread(ranges.first >> U64(16), ranges.last >> U64(16))
    return pa.table(
        {
            "bucket4": bucket,
            "first4": ranges.first.astype(np.int64)[which],
            "last4": ranges.last.astype(np.int64)[which],
            "country4": pa.array(ranges.country[which].tolist(), pa.string()),
        }
    )


def _ipv6_table(ranges: mmdb.Ranges, digits: int, wide: bool) -> pa.Table | None:
    shift = U64(64 - 4 * NARROW)
    span = (ranges.last_hi >> shift) - (ranges.first_hi >> shift) + U64(1)
    at = np.flatnonzero((span > WIDEST_NARROW) == wide)
    if not len(at):
        return None
    shift = U64(64 - 4 * digits)
    which, bucket = _spread(ranges.first_hi[at] >> shift, ranges.last_hi[at] >> shift)
    at = at[which]

    def text(hi: np.ndarray, lo: np.ndarray) -> pa.Array:
        return pa.array([f"{h:016x}{low:016x}" for h, low in zip(hi[at].tolist(), lo[at].tolist())])

    return pa.table(
        {
            f"bucket6_{digits}": pa.array([f"{b:0{digits}x}" for b in bucket.tolist()], pa.string()),
            f"first6_{digits}": text(ranges.first_hi, ranges.first),
            f"last6_{digits}": text(ranges.last_hi, ranges.last),
            f"country6_{digits}": pa.array(ranges.country[at].tolist(), pa.string()),
        }
    )


class Countries:
    """One database in one session."""

    def __init__(self, spark: SparkSession, path: str | None) -> None:
        database = mmdb.read(path)
        self.aliases = [(f"{hi:016x}{lo:016x}", length // 4) for hi, lo, length in database.aliases]
        self.embedded = [MAPPED] if database.ipv6 is None else [MAPPED, EMBEDDED]
        self.ipv4 = spark.createDataFrame(_ipv4_table(database.ipv4))
        self.ipv6 = {}
        if database.ipv6 is not None:
            for digits, wide in ((NARROW, False), (WIDE, True)):
                table = _ipv6_table(database.ipv6, digits, wide)
                if table is not None:
                    self.ipv6[digits] = spark.createDataFrame(table)

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
        found = found.join(
            F.broadcast(self.ipv4),
            F.expr("shiftright(number, 16) = bucket4 AND number BETWEEN first4 AND last4"),
            "left",
        )
        names = ["country4"]
        for n, table in self.ipv6.items():
            bucket = f"left(CASE WHEN number IS NULL THEN digits END, {n}) = bucket6_{n}"
            found = found.join(
                F.broadcast(table), F.expr(f"{bucket} AND digits BETWEEN first6_{n} AND last6_{n}"), "left"
            )
            names.append(f"country6_{n}")
        return found.selectExpr(*columns, f"coalesce({', '.join(names)}, '{UNKNOWN}') AS country")


class CountryCache:
    """A session's jobs mostly share one database."""

    def __init__(self) -> None:
        self.key: tuple[str, int, int] | None = None
        self.countries: Countries | None = None

    def get(self, spark: SparkSession, path: str | None) -> Countries:
        key = None
        if path is not None and os.path.exists(path):
            about = os.stat(path)
            key = (path, about.st_mtime_ns, about.st_size)
        if self.countries is None or key is None or key != self.key:
            self.countries, self.key = Countries(spark, path), key
        return self.countries
