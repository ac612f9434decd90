"""Timestamps as epoch µs (2.5), by whole columns: the bytes of equally long texts are one matrix, looked at eight at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl

EPOCH = dt.datetime(1970, 1, 1)
SECOND_US = 1_000_000
FIRST_US = (dt.datetime(1900, 1, 1) - EPOCH) // dt.timedelta(microseconds=1)
END_US = (dt.datetime(2262, 1, 1) - EPOCH) // dt.timedelta(microseconds=1)
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1
UNITS_US = {"epoch_s": SECOND_US, "epoch_ms": 1000, "epoch_us": 1}
SHORTEST, LONGEST = 19, 32  # YYYY-MM-DDTHH:MM:SS … .ffffff+HH:MM
FIRST_YEAR = 1900
_MONTHS = [dt.date(y, m, 1) for y in range(FIRST_YEAR, 2263) for m in range(1, 13)]
# Of each month since 1900-01: days from 1970-01-01 to the day before its first, and its number of days.
DAYS_TO = np.array([(first - EPOCH.date()).days - 1 for first in _MONTHS], np.int64)
DAYS_IN = np.diff(DAYS_TO).astype(np.uint64)
MONTHS = (2262 - FIRST_YEAR) * 12


class Form:
    """What eight characters must be: `0` a digit, `?` anything, else itself. The first is a number's lowest byte."""

    def __init__(self, shape: str) -> None:
        def mask(wanted: Callable[[str], bool], octet: int) -> np.uint64:
            return np.uint64(int.from_bytes(bytes(octet * wanted(c) for c in shape), "little"))

        self.shape = np.uint64(int.from_bytes(shape.encode(), "little"))
        self.looked_at = mask(lambda c: c != "?", 0xFF)
        self.digits = mask(lambda c: c == "0", 0x80)
        self.marks = mask(lambda c: c not in "0?", 0xFF)


DATE, CLOCK, SECONDS = Form("0000-00-"), Form("00?00:00"), Form(":00?????")
FRACTIONS = [Form(("." + "0" * digits + "Z").ljust(8, "?")) for digits in range(7)]
TO_HIGH_BIT = np.uint64(0x7676767676767676)  # added to a digit, it leaves the highest bit of its byte alone
EIGHT, TEN, OCTET = np.uint64(8), np.uint64(10), np.uint64(0xFF)


def parse(column: pl.Series, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Epoch µs, and where they are valid; a null is not. The column is text, integers or timestamps."""
    if column.dtype == pl.Datetime:
        return _in_range(column.to_physical(), 1)
    if column.dtype.is_integer():
        return _in_range(column, UNITS_US[form])
    return _parse_iso8601(column) if form == "iso8601" else _parse_epoch(column, UNITS_US[form])


def show(us: pl.Expr) -> pl.Expr:
    """YYYY-MM-DDTHH:MM:SS.ffffffZ (4.2)."""
    return us.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def text_of(column: pl.Series, form: str) -> pl.Series:
    """As rejects show it: a typed timestamp like any other, or as µs when it is out of range (4.2)."""
    if column.dtype == pl.String:
        return column
    us, ok = parse(column, form)
    shown = pl.select(show(pl.lit(pl.Series(us)))).to_series()
    unit = 1 if column.dtype == pl.Datetime else UNITS_US[form]
    others = [
        None if v is None else str(max(LONG_MIN, min(v * unit, LONG_MAX)))
        for v in column.to_physical().filter(pl.Series(~ok)).to_list()
    ]
    return shown.scatter(np.flatnonzero(~ok), pl.Series(others, dtype=pl.String))


def _in_range(numbers: pl.Series, unit: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = FIRST_US // unit, (END_US - 1) // unit
    numbers = numbers.cast(pl.Int64, strict=False)  # what has no room there is out of range
    ok = (numbers.is_between(low, high)).fill_null(False).to_numpy()
    values = numbers.fill_null(0).clip(low, high).to_numpy()
    return np.where(ok, values, 0) * unit, ok


def _parse_epoch(text: pl.Series, unit: int) -> tuple[np.ndarray, np.ndarray]:
    fits = text.str.contains(r"\A[+-]?[0-9]{1,18}\z")
    return _in_range(text.set(~fits, None).str.strip_prefix("+").cast(pl.Int64), unit)


def _parse_iso8601(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    lengths = text.str.len_bytes().fill_null(0).to_numpy()
    us, ok = np.zeros(len(text), np.int64), np.zeros(len(text), bool)
    counts = np.bincount(np.minimum(lengths, LONGEST + 1), minlength=LONGEST + 2)
    for length in range(SHORTEST, LONGEST + 1):
        if counts[length] == len(text) > 0:
            return _parse_matrix(_matrix(text, length))
        if counts[length]:
            at = np.flatnonzero(lengths == length)
            us[at], ok[at] = _parse_matrix(_matrix(text.gather(at), length))
    return us, ok


def _matrix(text: pl.Series, length: int) -> np.ndarray:
    """One row of bytes for each text."""
    array = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    first = array.offset * length
    octets = np.frombuffer(array.buffers()[2], np.uint8)[first : first + len(text) * length]
    return octets.reshape(len(text), length)


def _words(m: np.ndarray, first: int) -> np.ndarray:
    """The eight bytes of each row from `first` on."""
    if m.shape[1] >= first + 8:
        return np.ndarray(len(m), "<u8", m, first, (m.shape[1],)).copy()
    padded = np.zeros((len(m), 8), np.uint8)
    padded[:, : m.shape[1] - first] = m[:, first:]
    return padded.view("<u8").ravel()


def _pairs(words: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Byte i becomes the number that the digits i and i + 1 make; and which words have the form."""
    x = (words ^ form.shape) & form.looked_at
    bad = (((x + TO_HIGH_BIT) | x) & form.digits) | (x & form.marks)
    return x * TEN + (x >> EIGHT), bad == 0


def _at(pairs: np.ndarray, position: int) -> np.ndarray:
    return (pairs >> np.uint64(8 * position)) & OCTET


def _parse_matrix(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    words = _words(m, 0)
    if len(words) and (words == words[0]).all():
        words = words[:1]  # of one month, as the rows of a block mostly are
    pairs, ok = _pairs(words, DATE)
    month = _at(pairs, 5) - np.uint64(1)  # what is below zero is very large
    months = (_at(pairs, 0) * np.uint64(100) + _at(pairs, 2) - np.uint64(FIRST_YEAR)) * np.uint64(12) + month
    ok &= (month < 12) & (months < MONTHS)
    months = np.where(ok, months, 0).astype(np.intp)

    words = _words(m, 8)
    pairs, good = _pairs(words, CLOCK)
    between = (words >> np.uint64(16)) & OCTET
    day, hour, minute = _at(pairs, 0), _at(pairs, 3), _at(pairs, 6)
    ok = ok & good & ((between == ord("T")) | (between == ord(" ")))
    ok &= (day >= 1) & (day <= DAYS_IN[months]) & (hour <= 23) & (minute <= 59)

    pairs, good = _pairs(_words(m, 16), SECONDS)
    second = _at(pairs, 1)
    ok &= good & (second <= 59)
    of_day = (hour * np.uint64(60) + minute) * np.uint64(60) + second
    us = ((DAYS_TO[months] + day.astype(np.int64)) * 86400 + of_day.astype(np.int64)) * SECOND_US
    good = _add_tail(m, us)
    return us, ok & good


def _add_tail(m: np.ndarray, us: np.ndarray) -> np.ndarray:
    """Adds what follows the seconds, and says where it is valid."""
    count, length = m.shape
    if length == SHORTEST:
        return np.ones(count, bool)
    ok = np.zeros(count, bool)
    if length == SHORTEST + 1:
        return m[:, SHORTEST] == ord("Z")
    digits = length - SHORTEST - 2
    if 1 <= digits <= 6:
        pairs, ok = _pairs(_words(m, SHORTEST), FRACTIONS[digits])
        micros = (_at(pairs, 1) * np.uint64(100) + _at(pairs, 3)) * np.uint64(100) + _at(pairs, 5)
        us += np.where(ok, micros, 0).astype(np.int64)
    others = np.flatnonzero(~ok)
    if len(others):
        micros, offset, good = _any_tail(np.ascontiguousarray(m[others].T))
        us[others] += micros - offset * 60 * SECOND_US
        ok[others] = good
    return ok


def _number(m: np.ndarray, first: int, count: int) -> np.ndarray:
    value = m[first].astype(np.int64) - 48
    for i in range(first + 1, first + count):
        value = value * 10 + (m[i].astype(np.int64) - 48)
    return value


def _digits(m: np.ndarray, *positions: int) -> np.ndarray:
    ok = np.ones(m.shape[1], bool)
    for i in positions:
        ok &= (m[i] - np.uint8(48)) <= 9
    return ok


def _any_tail(m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What follows the seconds: µs, offset in minutes, validity. One row of m for each position."""
    length, count = m.shape
    micros, offset, ok = np.zeros(count, np.int64), np.zeros(count, np.int64), np.ones(count, bool)
    end = np.full(count, SHORTEST)  # of the fraction
    if length > SHORTEST:
        inside = m[SHORTEST] == ord(".")
        end[inside] += 1
        scale = 100_000
        for i in range(SHORTEST + 1, min(length, SHORTEST + 7)):
            inside &= (m[i] - np.uint8(48)) <= 9
            micros += np.where(inside, (m[i].astype(np.int64) - 48) * scale, 0)
            end[inside] += 1
            scale //= 10
        ok &= ~((m[SHORTEST] == ord(".")) & (end == SHORTEST + 1))
    for at in np.flatnonzero(np.bincount(end, minlength=LONGEST)).tolist():
        if at == length:
            continue
        here = end == at
        if length - at == 1:
            ok &= ~here | (m[at] == ord("Z"))
        elif length - at in (5, 6):
            minutes = length - 2
            good = ((m[at] == ord("+")) | (m[at] == ord("-"))) & _digits(
                m, at + 1, at + 2, minutes, minutes + 1
            )
            if length - at == 6:
                good &= m[at + 3] == ord(":")
            om = _number(m, minutes, 2)
            total = _number(m, at + 1, 2) * 60 + om
            good &= (om <= 59) & (total <= 18 * 60)
            offset = np.where(here, np.where(m[at] == ord("-"), -total, total), offset)
            ok &= ~here | good
        else:
            ok &= ~here
    return micros, offset, ok
