"""Cleansing (2.2–2.8, 1.6): one block's text columns become events and rejects."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from . import timestamps
from .country import Countries
from .errors import changed
from .fields import Parsed
from .job import COLUMNS, Pipeline
from .reading import Source

REJECTS = pl.Schema({c: pl.String for c in ("reason", *COLUMNS, "raw", "source_file")})


def keep_column(n: int) -> str:
    """The name of the n-th keep column on its way; its own could be any."""
    return f"keep_{n}"


@dataclass(frozen=True)
class Judged:
    """Which rows of a block are events (2.4, 2.5)."""

    us: np.ndarray  # of the events
    reasons: np.ndarray | None  # of each row, an index of REASONS; None when all are events
    values: dict[str, pl.Series]  # all rows, those columns that were read


@dataclass(frozen=True)
class Cleansed:
    events: pl.DataFrame  # as the table's, and `source`
    us: np.ndarray
    rejects: pl.DataFrame
    nulled: dict[str, int]


REASONS = ("", "missing_event_id", "missing_user_id", "missing_timestamp", "bad_timestamp")
REQUIRED = ("event_id", "user_id", "timestamp")
TIMESTAMPTZ = pl.Datetime("us", "UTC")


class Cleanser:
    def __init__(self, p: Pipeline, countries: Countries) -> None:
        self.p = p
        self.countries = countries
        # ASCII case apart, whatever the token is: of Unicode's other cases nothing may match.
        tokens = ["".join(_either_case(c) for c in token) for token in p.null_tokens]
        self.null = r"\A(?:" + "|".join(tokens) + r")\z" if tokens else None
        self.longest = max((len(t.encode()) for t in p.null_tokens), default=0)

    def judge(self, block: Parsed, source: Source) -> Judged:
        values = {c: self._field(block, source, self.p.columns[c]) for c in REQUIRED}
        stamp = values["timestamp"]
        us, ok = timestamps.parse(stamp, self.p.timestamp)
        nulls = sum(s.null_count() for s in values.values())
        if not nulls and ok.all():
            return Judged(us, None, values)
        reasons = np.select(
            [values[c].is_null().to_numpy() for c in REQUIRED] + [~ok],
            [1, 2, 3, 4],
            0,
        ).astype(np.int8)
        return Judged(us[reasons == 0], reasons, values)

    def ids(self, judged: Judged) -> tuple[pl.Series, pl.Series]:
        """The events' users and ids."""
        users, ids = judged.values["user_id"], judged.values["event_id"]
        if judged.reasons is None:
            return users, ids
        good = pl.Series(judged.reasons == 0)
        return users.filter(good), ids.filter(good)

    def cleanse(self, block: Parsed, source: Source, start_us: np.ndarray, number: np.ndarray) -> Cleansed:
        """All of the block; the verdicts are those of its events."""
        judged = self.judge(block, source)
        others = {c: self._field(block, source, self.p.columns[c]) for c in COLUMNS if c not in REQUIRED}
        values = judged.values | others
        rejects = [self._malformed(block.malformed, source)] if block.malformed else []
        keep = {name: self._field(block, source, name) for name, _ in self.p.keep}
        if judged.reasons is not None:
            bad = np.flatnonzero(judged.reasons)
            rejects.append(self._rejects(values, judged.reasons[bad], bad, source))
            good = pl.Series(judged.reasons == 0)
            values = {c: s.filter(good) for c, s in values.items()}
            keep = {name: s.filter(good) for name, s in keep.items()}
        if len(judged.us) != len(start_us):
            raise changed(source.name)
        kept, nulled = self._keep(keep)
        ip, country = self.countries.find(values["ip_address"])
        milliseconds = pl.Series(start_us // 1000).cast(pl.String)
        events = pl.DataFrame(
            {
                "event_id": values["event_id"],
                "user_id": values["user_id"],
                "session_id": pl.select(
                    pl.concat_str(values["user_id"], pl.lit("-"), milliseconds)
                ).to_series(),
                "event_seq": number,
                "event_time": pl.Series(judged.us).cast(TIMESTAMPTZ),
                "session_start": pl.Series(start_us).cast(TIMESTAMPTZ),
                "page_url": values["page_url"],
                "referrer": values["referrer"],
                "device": _lower_ascii(values["device"]).fill_null("unknown"),
                "ip_address": ip,
                "country": country,
                **kept,
            }
        )
        return Cleansed(events, judged.us, pl.concat(rejects) if rejects else REJECTS.to_frame(), nulled)

    def _field(self, block: Parsed, source: Source, column: str) -> pl.Series:
        return self._to_null(block.frame[str(source.where[column])], block.may_need_trim)

    def _to_null(self, s: pl.Series, may_need_trim: bool) -> pl.Series:
        if s.dtype != pl.String:
            return s
        if may_need_trim:
            s = s.str.strip_chars(" \t")
        short = (s.str.len_bytes() <= self.longest).arg_true()
        if not len(short):
            return s
        few = s.gather(short)
        null = few.str.len_bytes() == 0
        if self.null:
            null |= few.str.contains(self.null)
        null = short.filter(null)
        return s.scatter(null, None) if len(null) else s

    def _malformed(self, raw: list[str], source: Source) -> pl.DataFrame:
        return pl.DataFrame({"raw": pl.Series(raw, dtype=pl.String)}).select(
            reason=pl.lit("malformed_row"),
            **{c: pl.lit(None, pl.String) for c in COLUMNS},
            raw="raw",
            source_file=pl.lit(source.name),
        )

    def _rejects(
        self, values: dict[str, pl.Series], reasons: np.ndarray, bad: np.ndarray, source: Source
    ) -> pl.DataFrame:
        frame = pl.DataFrame({c: values[c].gather(bad) for c in COLUMNS})
        frame = frame.with_columns(timestamp=timestamps.text_of(frame["timestamp"], self.p.timestamp))
        if self.p.drop_ip:
            frame = frame.with_columns(ip_address=pl.lit(None, pl.String))
        return frame.select(
            pl.Series(REASONS).gather(reasons).alias("reason"),
            *COLUMNS,
            pl.lit(None, pl.String).alias("raw"),
            pl.lit(source.name).alias("source_file"),
        )

    def _keep(self, texts: dict[str, pl.Series]) -> tuple[dict[str, pl.Series], dict[str, int]]:
        """1.6"""
        columns, nulled = {}, {}
        for n, (name, kind) in enumerate(self.p.keep):
            value = texts[name] if kind == "string" else _number(texts[name], kind)
            columns[keep_column(n)] = value
            nulled[name] = value.null_count() - texts[name].null_count()
        return columns, nulled


def _either_case(c: str) -> str:
    if c.isascii() and c.isalpha():
        return f"[{c.lower()}{c.upper()}]"
    return re.escape(c)


def _lower_ascii(s: pl.Series) -> pl.Series:
    """2.6. Polars lower-cases all of Unicode: texts with more than ASCII go one by one."""
    lower = s.str.to_lowercase()
    other = (s.str.len_bytes() != s.str.len_chars()).arg_true()
    if len(other):
        values = [v.encode().lower().decode() for v in s.gather(other).to_list()]
        lower = lower.scatter(other, pl.Series(values, dtype=pl.String))
    return lower


def _number(text: pl.Series, kind: str) -> pl.Series:
    if text.dtype != pl.String:  # of Parquet
        if kind == "long":
            return text.cast(pl.Int64, strict=False)
        value = text.cast(pl.Float64, strict=False)
        return value.set(~value.is_finite().fill_null(True), None)  # 1.6 has no NaN and no infinity
    if kind == "long":
        fits = text.str.contains(r"\A[+-]?[0-9]{1,18}\z")
        return text.set(~fits, None).str.strip_prefix("+").cast(pl.Int64)
    fits = text.str.contains(r"\A-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?\z")
    value = text.set(~fits, None).cast(pl.Float64)
    return value.set(value.is_infinite(), None)  # 1e999 is no double
