"""Addresses (2.7) and their countries (2.8).

IPv4 addresses become numbers by whole columns. Their countries stand in a table of all /24 networks, filled as
they are met: one look-up in the database for each of its networks, not for each address.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import Any

import maxminddb
import numpy as np
import polars as pl

from .errors import BadInput

UNKNOWN = "ZZ"
MAPPED = bytes(10) + b"\xff\xff"
EMPTY, FINER = 0, -1  # of the table: not looked up yet; the /24 is divided
CACHE_MAX = 1 << 20


def enum(codes: np.ndarray, names: Iterable[str]) -> pl.Series:
    """Text of few values as their numbers: cheaper to be moved and written."""
    return pl.Series(codes).cat.to(pl.Enum(names))  # type: ignore[attr-defined]


def parse_ipv4(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Each address as a number, and where it is IPv4 dotted decimal without leading zeros."""
    array = text.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    number, ok = np.zeros(len(text), np.uint32), np.zeros(len(text), bool)
    if not len(text):
        return number, ok
    bounds = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(text) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    if not len(data):
        return number, ok
    dots = np.flatnonzero(data == ord("."))
    rows = len(text)
    if len(dots) == 3 * rows and (dots[::3] >= bounds[:-1]).all() and (dots[2::3] < bounds[1:]).all():
        at = np.arange(rows)
        dot = 3 * at
    else:
        first_dot = np.searchsorted(dots, bounds)
        at = np.flatnonzero(np.diff(first_dot) == 3)
        dot = first_dot[at]
    values, wrong = _octets(data, bounds)
    if len(wrong):
        bad = np.zeros(rows + 1, bool)
        bad[np.searchsorted(bounds, wrong, side="right") - 1] = True
        good = ~bad[at]
        at, dot = at[good], dot[good]
    value = values[dots[dot] - 1].astype(np.uint32)
    for end in (dots[dot + 1], dots[dot + 2], bounds[at + 1]):
        value <<= np.uint32(8)
        value |= values[end - 1]
    if len(at) == rows:
        return value, np.ones(rows, bool)
    number[at], ok[at] = value, True
    return number, ok


def _octets(data: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number that the digits up to each byte make, and the bytes at which a text is seen to be no IPv4 address. The
    texts stand one behind the other."""
    digit = data - np.uint8(48)
    is_digit = digit <= 9
    digit *= is_digit
    first = np.zeros(len(data) + 1, bool)
    first[bounds] = True
    first = first[:-1]
    second = np.zeros(len(data), bool)  # and beyond: a digit stands before it
    np.greater(is_digit[:-1], first[1:], out=second[1:])
    third = np.zeros(len(data), bool)
    np.logical_and(second[1:], second[:-1], out=third[1:])
    values = digit.astype(np.uint16)
    values[1:] += (digit[:-1] * second[1:]) * np.uint8(10)
    values[2:] += (digit[:-2] * third[2:]) * np.uint16(100)
    wrong = ~(is_digit | ((data == ord(".")) & second))  # another character, or nothing before a dot
    wrong |= is_digit & (values > 255)
    wrong[1:] |= is_digit[1:] & second[1:] & ~second[:-1] & (digit[:-1] == 0)  # a leading zero
    wrong[1:] |= is_digit[1:] & third[1:] & third[:-1]
    ends = bounds[1:] - 1
    return values, np.concatenate([np.flatnonzero(wrong), ends[data[ends] == ord(".")]])


def is_ipv6(text: str) -> bool:
    if ":" not in text or not text.isascii() or "\0" in text:
        return False
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        return False
    return True


def _country(record: Any) -> str | None:
    for path in (("country", "iso_code"), ("country_code",), ("registered_country", "iso_code")):
        value = record
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
    return None


class Countries:
    """One database; shared by all threads."""

    def __init__(self, path: str | None) -> None:
        if path is None:
            raise BadInput("no country database is configured")
        try:
            self.db = maxminddb.open_database(path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as e:
            raise BadInput(f"{path}: {getattr(e, 'strerror', None) or e}") from e
        if not self._any_country():
            raise BadInput(
                f"{path}: has no country data (neither country.iso_code, country_code nor registered_country)"
            )
        self.ipv6 = self.db.metadata().ip_version == 6
        self.lock = threading.Lock()
        self.table = np.zeros(1 << 24, np.int16)
        self.names = ["", UNKNOWN]
        self.codes = {"": 0, UNKNOWN: 1}
        self.finer: dict[int, int] = {}
        self.others: dict[str, str | None] = {}

    def _any_country(self) -> bool:
        try:
            return any(_country(record) for _, record in self.db)
        except ValueError:  # networks wider than IPv4's, which maxminddb can look up but not list
            return True

    def find(self, text: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The valid addresses, and the country of each (ZZ when there is none)."""
        number, ok = parse_ipv4(text)
        codes = np.where(ok, self._codes(number), self.codes[UNKNOWN])
        rest = np.flatnonzero(~ok & text.is_not_null().to_numpy())
        if len(rest):
            values = text.gather(rest).to_list()
            found = [self._other(value) for value in values]
            codes[rest] = [self.codes[UNKNOWN] if c is None else self._code(c) for c in found]
            bad = rest[[c is None for c in found]]
            if len(bad):
                text = text.scatter(bad, None)
        return text, enum(codes, self.names[:])

    def _code(self, name: str) -> int:
        code = self.codes.get(name)
        if code is None:
            with self.lock:
                code = self.codes.get(name)
                if code is None:
                    self.names.append(name)  # before its number is known to anybody
                    code = self.codes[name] = len(self.names) - 1
        return code

    def _codes(self, number: np.ndarray) -> np.ndarray:
        network = number >> np.uint32(8)
        codes = self.table[network].astype(np.int64)
        if (codes == EMPTY).any():
            for n in np.unique(network[codes == EMPTY]).tolist():
                if self.table[n] == EMPTY:
                    self._fill(n)
            codes = self.table[network].astype(np.int64)
        finer = np.flatnonzero(codes == FINER)
        if len(finer):
            codes[finer] = [self._single(n) for n in number[finer].tolist()]
        return codes

    def _fill(self, network: int) -> None:
        record, prefix = self.db.get_with_prefix_len(socket.inet_ntoa((network << 8).to_bytes(4, "big")))
        prefix = max(prefix, 0)
        if prefix > 24:
            self.table[network] = FINER
            return
        size = 1 << (24 - prefix)
        first = network & ~(size - 1)
        self.table[first : first + size] = self._code(_country(record) or UNKNOWN)

    def _single(self, number: int) -> int:
        code = self.finer.get(number)
        if code is None:
            if len(self.finer) >= CACHE_MAX:
                self.finer.clear()
            record = self.db.get(socket.inet_ntoa(number.to_bytes(4, "big")))
            code = self.finer[number] = self._code(_country(record) or UNKNOWN)
        return code

    def _other(self, text: str) -> str | None:
        """Of what is not IPv4; None when it is no address."""
        try:
            return self.others[text]
        except KeyError:
            pass
        if len(self.others) >= CACHE_MAX:
            self.others.clear()
        self.others[text] = found = self._ipv6_country(text) if is_ipv6(text) else None
        return found

    def _ipv6_country(self, text: str) -> str:
        packed = socket.inet_pton(socket.AF_INET6, text)
        if packed[:12] == MAPPED:
            text = socket.inet_ntoa(packed[12:])
        elif not self.ipv6:
            return UNKNOWN
        return _country(self.db.get(text)) or UNKNOWN
