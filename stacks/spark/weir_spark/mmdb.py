"""A MaxMind database as sorted ranges of addresses with one country each (2.8).

The tree is walked level by level, all nodes of a level at once, so that a million networks take a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import maxminddb
import numpy as np
from maxminddb.decoder import Decoder

from .errors import BadInput

SEPARATOR = 16  # bytes between the tree and the data
U64 = np.uint64


@dataclass
class Ranges:
    """Disjoint, sorted; both ends inside. IPv6 addresses are their upper and lower 64 bits."""

    first_hi: np.ndarray
    first: np.ndarray
    last_hi: np.ndarray
    last: np.ndarray
    country: np.ndarray  # of str


@dataclass
class Database:
    """`ipv6` is None for an IPv4-only database. `aliases` are IPv6 prefixes of (hi, lo, length) that are followed by an IPv4
    address: what stands behind it is found there."""

    ipv4: Ranges
    ipv6: Ranges | None
    aliases: list[tuple[int, int, int]] = field(default_factory=list)


def country_of(record: Any) -> str | None:
    for path in (("country", "iso_code"), ("country_code",), ("registered_country", "iso_code")):
        value = record
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
    return None


def _children(data: bytes, nodes: int, record_size: int) -> np.ndarray:
    """The two records of each node."""
    width = record_size // 4
    b = np.frombuffer(data, np.uint8, nodes * width).reshape(nodes, width).astype(np.uint32)
    if record_size == 24:
        left, right = (b[:, i] << 16 | b[:, i + 1] << 8 | b[:, i + 2] for i in (0, 3))
    elif record_size == 28:
        left = (b[:, 3] >> 4) << 24 | b[:, 0] << 16 | b[:, 1] << 8 | b[:, 2]
        right = (b[:, 3] & 15) << 24 | b[:, 4] << 16 | b[:, 5] << 8 | b[:, 6]
    else:
        left, right = (b[:, i] << 24 | b[:, i + 1] << 16 | b[:, i + 2] << 8 | b[:, i + 3] for i in (0, 4))
    return np.stack([left, right], axis=1).astype(np.int64)


class _Walk:
    """Leaves below a node that is `depth` bits deep, of addresses that are `bits` long."""

    def __init__(self, children: np.ndarray, bits: int, stop: int | None) -> None:
        self.children, self.bits, self.stop = children, bits, stop
        self.leaves: list[tuple[np.ndarray, np.ndarray, int, np.ndarray]] = []  # hi, lo, depth, record
        self.aliases: list[tuple[int, int, int]] = []

    def run(self, start: int) -> None:
        count = len(self.children)
        node = np.array([start], np.int64)
        hi = lo = np.zeros(1, U64)
        seen = 0
        for depth in range(1, self.bits + 1):
            seen += len(node)
            if seen > 2 * count:
                raise ValueError("its tree has loops")
            below = self.children[node].reshape(-1)
            bit = self.bits - depth
            one = np.tile(np.array([0, 1], U64), len(node))
            hi, lo = np.repeat(hi, 2), np.repeat(lo, 2)
            if bit >= 64:
                hi = hi | one << U64(bit - 64)
            else:
                lo = lo | one << U64(bit)
            inside = below < count
            if self.stop is not None:
                for at in np.flatnonzero(below == self.stop).tolist():
                    inside[at] = False
                    if hi[at] or lo[at] or depth != 96:
                        self.aliases.append((int(hi[at]), int(lo[at]), depth))
            leaf = below > count
            if leaf.any():
                self.leaves.append((hi[leaf], lo[leaf], depth, below[leaf]))
            node, hi, lo = below[inside], hi[inside], lo[inside]
            if not len(node):
                return
        raise ValueError("its tree is deeper than an address is long")


def _ranges(walk: _Walk, countries: dict[int, str | None]) -> Ranges:
    if not walk.leaves:
        none = np.zeros(0, U64)
        return Ranges(none, none, none, none, np.zeros(0, "U2"))
    first_hi = np.concatenate([leaf[0] for leaf in walk.leaves])
    first = np.concatenate([leaf[1] for leaf in walk.leaves])
    free = np.concatenate([np.full(len(leaf[0]), walk.bits - leaf[2]) for leaf in walk.leaves])
    records = np.concatenate([leaf[3] for leaf in walk.leaves])
    known, at = np.unique(records, return_inverse=True)
    country = np.array([countries[r] or "" for r in known.tolist()])[at]
    full = U64(0xFFFFFFFFFFFFFFFF)
    low_bits = np.minimum(free, 64).astype(U64)
    last = first | np.where(low_bits == 64, full, (U64(1) << (low_bits % U64(64))) - U64(1))
    high_bits = np.maximum(free - 64, 0).astype(U64)
    last_hi = first_hi | np.where(high_bits == 64, full, (U64(1) << (high_bits % U64(64))) - U64(1))
    order = np.lexsort((first, first_hi))
    order = order[country[order] != ""]
    first_hi, first, last_hi, last, country = (a[order] for a in (first_hi, first, last_hi, last, country))
    if not len(order):
        return Ranges(first_hi, first, last_hi, last, country)
    carry = last[:-1] == full
    next_lo = last[:-1] + U64(1)
    next_hi = last_hi[:-1] + carry.astype(U64)
    adjoining = (next_lo == first[1:]) & (next_hi == first_hi[1:]) & (country[1:] == country[:-1])
    begin = np.flatnonzero(np.append(True, ~adjoining))
    end = np.append(begin[1:] - 1, len(order) - 1)
    return Ranges(first_hi[begin], first[begin], last_hi[end], last[end], country[begin])


def _parts(path: str) -> Database:
    data = Path(path).read_bytes()
    with maxminddb.open_database(path, maxminddb.MODE_MEMORY) as reader:
        about = reader.metadata()
    count, size = about.node_count, about.record_size
    tree_bytes = count * size // 4
    children = _children(data, count, size)
    start, walks = 0, []
    if about.ip_version == 6:
        for _ in range(96):
            if start < count:
                start = int(children[start, 0])
        whole = _Walk(children, 128, start if start < count else None)
        whole.run(0)
        walks.append(whole)
    ipv4 = _Walk(children, 32, None)
    if start < count:
        ipv4.run(start)
    elif start > count:  # one record for all of IPv4
        zero = np.zeros(1, U64)
        ipv4.leaves.append((zero, zero, 0, np.array([start])))
    walks.append(ipv4)
    decoder = Decoder(data, tree_bytes + SEPARATOR)
    records = {r for walk in walks for leaf in walk.leaves for r in np.unique(leaf[3]).tolist()}
    countries = {}
    for r in records:
        at = r - count + tree_bytes
        if not tree_bytes + SEPARATOR <= at < len(data):
            raise ValueError("its tree points beyond its data")
        countries[r] = country_of(decoder.decode(at)[0])
    if not any(countries.values()):
        raise BadInput(
            f"{path}: has no country data (neither country.iso_code, country_code nor registered_country)"
        )
    six = _ranges(walks[0], countries) if len(walks) == 2 else None
    return Database(_ranges(ipv4, countries), six, walks[0].aliases)


def read(path: str | None) -> Database:
    if path is None:
        raise BadInput("no country database is configured")
    try:
        return _parts(path)
    except (OSError, ValueError, IndexError, KeyError, TypeError, maxminddb.InvalidDatabaseError) as e:
        raise BadInput(f"{path}: {getattr(e, 'strerror', None) or e}") from e
