"""Timestamps as epoch µs (2.5): expressions over a column of text. What does not fit is null."""

from __future__ import annotations

import datetime as dt

from .job import EPOCH_UNITS
from .sqltext import literal

_EPOCH = dt.datetime(1970, 1, 1)
FIRST_US = (dt.datetime(1900, 1, 1) - _EPOCH) // dt.timedelta(microseconds=1)
END_US = (dt.datetime(2262, 1, 1) - _EPOCH) // dt.timedelta(microseconds=1)
# A moment that no event has: rows of it are rejects on their way.
NEVER_US = (dt.datetime(1800, 1, 1) - _EPOCH) // dt.timedelta(microseconds=1)

# The grammar, with the ranges of all numbers but the days of a month: those the cast knows.
ISO8601 = (
    r"\A(?:19[0-9]{2}|2[01][0-9]{2}|22[0-5][0-9]|226[01])-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:(?:0[0-9]|1[0-7]):?[0-5][0-9]|18:?00))?\z"
)
SHOWN = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
WHOLE_NUMBER = r"\A[+-]?[0-9]{1,18}\z"


def micros(text: str, form: str) -> str:
    """An expression over the column `text`."""
    if form in EPOCH_UNITS:
        unit = EPOCH_UNITS[form]
        first, last = -(-FIRST_US // unit), (END_US - 1) // unit
        number = f"CAST({text} AS BIGINT)"
        fits = f"{text} RLIKE {literal(WHOLE_NUMBER)} AND {number} BETWEEN {first} AND {last}"
        return f"CASE WHEN {fits} THEN {number} * {unit} END"
    # An offset is taken off before the cast, which would look for a time zone's name by regular expressions.
    utc = "unix_micros(CAST({} AS TIMESTAMP))"
    whole = utc.format(f"left({text}, octet_length({text}) - 1)")
    sign = f"left(right({text}, {{}}), 1)"
    minutes = f"(CAST(substr(right({text}, {{0}}), 2, 2) AS INT) * 60 + CAST(right({text}, 2) AS INT))"
    far = f"CASE {sign} WHEN '+' THEN -1 ELSE 1 END * {minutes} * 60000000L"
    at = utc.format(f"left({text}, octet_length({text}) - {{0}})") + " + " + far.replace("{}", "{0}")
    return (
        f"CASE WHEN NOT {text} RLIKE {literal(ISO8601)} THEN NULL"
        f" WHEN endswith({text}, 'Z') THEN {whole}"
        f" WHEN octet_length({text}) >= 25 AND {sign.format(6)} IN ('+', '-') THEN {at.format(6)}"
        f" WHEN octet_length({text}) >= 24 AND {sign.format(5)} IN ('+', '-') THEN {at.format(5)}"
        f" ELSE {utc.format(text)} END"
    )


def shown(us: str) -> str:
    """YYYY-MM-DDTHH:MM:SS.ffffffZ (4.2)."""
    return f"date_format(timestamp_micros({us}), {literal(SHOWN)})"


def floor_millis(us: str) -> str:
    """`div` truncates, which is not the floor before 1970."""
    return f"(({us} - pmod({us}, 1000)) div 1000)"
