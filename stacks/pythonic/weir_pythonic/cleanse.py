"""Cleansing (2.2–2.8, 1.6): one block's text columns become events and rejects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from . import timestamps
from .country import Countries
from .fields import Parsed
from .job import COLUMNS, Pipeline
from .reading import Source

REJECTS = pl.Schema({c: pl.String for c in ("reason", *COLUMNS, "raw", "source_file")})


def keep_column(n: int) -> str:
    """The name of the n-th keep column on its way; its own could be any."""
    return f"keep_{n}"


def events_schema(p: Pipeline) -> pl.Schema:
    """What travels to the sessions."""
    types = {"string": pl.String, "long": pl.Int64, "double": pl.Float64}
    return pl.Schema(
        {
            "user_id": pl.String,
            "event_time": pl.Int64,
            "event_id": pl.String,
            "page_url": pl.String,
            "referrer": pl.String,
            "device": pl.String,
            "ip_address": pl.String,
            **{keep_column(n): types[kind] for n, (_, kind) in enumerate(p.keep)},
            "country": pl.String,
            "source": pl.Int32,
        }
    )


@dataclass(frozen=True)
class Cleansed:
    events: pl.DataFrame
    rejects: pl.DataFrame
    records: int
    nulled: dict[str, int]


class Cleanser:
    def __init__(self, p: Pipeline, countries: Countries) -> None:
        self.p = p
        self.countries = countries
        # ASCII case apart, whatever the token is: of Unicode's other cases nothing may match.
        tokens = ["".join(_either_case(c) for c in token) for token in p.null_tokens]
        self.null = r"\A(?:" + "|".join(tokens) + r")\z" if tokens else None
        self.longest = max((len(t.encode()) for t in p.null_tokens), default=0)

    def cleanse(self, parsed: Parsed, source: Source, may_need_trim: bool) -> Cleansed:
        p, frame = self.p, parsed.frame

        def field(column: str) -> pl.Series:
            return self._to_null(frame[str(source.where[column])], may_need_trim)

        values = {c: field(p.columns[c]) for c in COLUMNS}
        us, ok = timestamps.parse(values["timestamp"], p.timestamp)
        reasons = np.select(
            [values[c].is_null().to_numpy() for c in ("event_id", "user_id", "timestamp")] + [~ok],
            [1, 2, 3, 4],
            0,
        )
        rejects = [self._malformed(parsed.malformed, source)] if parsed.malformed else []
        bad = np.flatnonzero(reasons)
        if len(bad):
            rejects.append(self._rejects(values, reasons, bad, source))
        keep, nulled = self._keep(field, reasons == 0)
        ip, country = self.countries.find(values["ip_address"])
        schema = events_schema(p)
        events = pl.DataFrame(
            {
                **values,
                "device": _lower_ascii(values["device"]).fill_null("unknown"),
                "ip_address": ip,
                "country": country,
                "event_time": us,
                "source": pl.repeat(source.index, len(us), dtype=pl.Int32, eager=True),
                **keep,
            }
        ).select(schema.names())
        if len(bad):
            events = events.filter(pl.Series(reasons == 0))
        return Cleansed(
            events,
            pl.concat(rejects) if rejects else REJECTS.to_frame(),
            parsed.records,
            nulled,
        )

    def _to_null(self, s: pl.Series, may_need_trim: bool) -> pl.Series:
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
        names = pl.Series(["", "missing_event_id", "missing_user_id", "missing_timestamp", "bad_timestamp"])
        frame = pl.DataFrame({c: values[c].gather(bad) for c in COLUMNS})
        if self.p.drop_ip:
            frame = frame.with_columns(ip_address=pl.lit(None, pl.String))
        return frame.select(
            names.gather(reasons[bad]).alias("reason"),
            *COLUMNS,
            pl.lit(None, pl.String).alias("raw"),
            pl.lit(source.name).alias("source_file"),
        )

    def _keep(
        self, field: Callable[[str], pl.Series], good: np.ndarray
    ) -> tuple[dict[str, pl.Series], dict[str, int]]:
        """1.6; misfits are counted in the rows that are not rejected here."""
        columns, nulled = {}, {}
        for n, (name, kind) in enumerate(self.p.keep):
            text = field(name)
            value = text if kind == "string" else _number(text, kind)
            columns[keep_column(n)] = value
            misfit = (text.is_not_null() & value.is_null()).to_numpy()
            nulled[name] = int(np.count_nonzero(misfit & good))
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
    if kind == "long":
        fits = text.str.contains(r"\A[+-]?[0-9]{1,18}\z")
        return text.set(~fits, None).str.strip_prefix("+").cast(pl.Int64)
    fits = text.str.contains(r"\A-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?\z")
    value = text.set(~fits, None).cast(pl.Float64)
    return value.set(value.is_infinite(), None)  # 1e999 is no double
