"""Timestamps as epoch µs (2.5), by whole columns: the bytes of equally long texts are one matrix."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

EPOCH = dt.datetime(1970, 1, 1)
SECOND_US = 1_000_000
FIRST_US = (dt.datetime(1900, 1, 1) - EPOCH) // dt.timedelta(microseconds=1)
END_US = (dt.datetime(2262, 1, 1) - EPOCH) // dt.timedelta(microseconds=1)
UNITS_US = {"epoch_s": SECOND_US, "epoch_ms": 1000, "epoch_us": 1}
SHORTEST, LONGEST = 19, 32  # YYYY-MM-DDTHH:MM:SS … .ffffff+HH:MM
DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)
DAYS_IN = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


def parse(text: pl.Series, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Epoch µs, and where they are valid; a null is not."""
    return _parse_iso8601(text) if form == "iso8601" else _parse_epoch(text, UNITS_US[form])


def show(us: pl.Expr) -> pl.Expr:
    """YYYY-MM-DDTHH:MM:SS.ffffffZ (4.2)."""
    return us.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def _parse_epoch(text: pl.Series, unit: int) -> tuple[np.ndarray, np.ndarray]:
    fits = text.str.contains(r"\A[+-]?[0-9]{1,18}\z")
    number = text.set(~fits, None).str.strip_prefix("+").cast(pl.Int64)
    number = number.fill_null(END_US).to_numpy()
    ok = (number >= FIRST_US // unit) & (number <= (END_US - 1) // unit) & fits.fill_null(False).to_numpy()
    return np.where(ok, number, 0) * unit, ok


def _parse_iso8601(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    lengths = text.str.len_bytes().fill_null(0).to_numpy()
    us, ok = np.zeros(len(text), np.int64), np.zeros(len(text), bool)
    counts = np.bincount(np.minimum(lengths, LONGEST + 1), minlength=LONGEST + 2)
    for length in range(SHORTEST, LONGEST + 1):
        if counts[length] == len(text):
            return _parse_matrix(_matrix(text, length))
        if counts[length]:
            at = np.flatnonzero(lengths == length)
            us[at], ok[at] = _parse_matrix(_matrix(text.gather(at), length))
    return us, ok


def _matrix(text: pl.Series, length: int) -> np.ndarray:
    """One row for each position, one column for each text."""
    array = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    first = array.offset * length
    octets = np.frombuffer(array.buffers()[2], np.uint8)[first : first + len(text) * length]
    return np.ascontiguousarray(octets.reshape(len(text), length).T)


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


def _parse_matrix(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ok = _digits(m, 0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
    ok &= (m[4] == ord("-")) & (m[7] == ord("-")) & ((m[10] == ord("T")) | (m[10] == ord(" ")))
    ok &= (m[13] == ord(":")) & (m[16] == ord(":"))
    year, month, day = _number(m, 0, 4), _number(m, 5, 2), _number(m, 8, 2)
    hour, minute, second = _number(m, 11, 2), _number(m, 14, 2), _number(m, 17, 2)
    ok &= (year >= 1900) & (year <= 2261) & (month >= 1) & (month <= 12)
    ok &= (hour <= 23) & (minute <= 59) & (second <= 59)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month = np.where(ok, month, 1)
    ok &= (day >= 1) & (day <= DAYS_IN[month] + (leap & (month == 2)))
    before = year - 1
    days = 365 * (year - 1970) + before // 4 - before // 100 + before // 400 - 477
    days += DAYS_BEFORE[month] + (leap & (month > 2)) + day - 1
    micros, offset, tail_ok = _tail(m)
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset * 60
    return seconds * SECOND_US + micros, ok & tail_ok


def _tail(m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What follows the seconds: µs, offset in minutes, validity."""
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
