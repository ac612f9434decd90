"""Cleansing (2.2–2.8, 1.6): one block's text columns become events and rejects."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from . import timestamps
from .country import Countries, enum
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
    frame: pl.DataFrame  # the block's, cleansed


@dataclass(frozen=True)
class Cleansed:
    events: pl.DataFrame  # as the table's; those of FEW_VALUES may be enums
    rejects: pl.DataFrame
    nulled: dict[str, int]


REASONS = ("", "missing_event_id", "missing_user_id", "missing_timestamp", "bad_timestamp")
CASES_MAX = 64
# Times, sessions' starts and numbers of a block's events.
EventVerdicts = tuple[np.ndarray, np.ndarray, np.ndarray]
REQUIRED = ("event_id", "user_id", "timestamp")
TIMESTAMPTZ = pl.Datetime("us", "UTC")
FEW_VALUES = ("device", "country")
FEW_MAX = 255


class Cleanser:
    def __init__(self, p: Pipeline, countries: Countries) -> None:
        self.p = p
        self.countries = countries
        # ASCII case apart, whatever the token is: of Unicode's other cases nothing may match.
        cases = [_cases(token) for token in p.null_tokens]
        self.longest = max((len(t.encode()) for t in p.null_tokens), default=0)
        # All that mean null; where that is too many, a pattern of those that are not empty.
        self.nulls = pl.Series(["", *(c for some in cases if some for c in some)], dtype=pl.String)
        tokens = ["".join(_either_case(c) for c in t) for t, some in zip(p.null_tokens, cases) if not some]
        self.null = r"\A(?:" + "|".join(tokens) + r")\z" if tokens else None

    def judge(self, block: Parsed, source: Source) -> Judged:
        frame = self._cleansed(block)
        required = [frame[str(source.where[self.p.columns[c]])] for c in REQUIRED]
        us, ok = timestamps.parse(required[-1], self.p.timestamp)
        if not any(s.null_count() for s in required) and ok.all():
            return Judged(us, None, frame)
        reasons = np.select([s.is_null().to_numpy() for s in required] + [~ok], [1, 2, 3, 4], 0).astype(
            np.int8
        )
        return Judged(us[reasons == 0], reasons, frame)

    def ids(self, judged: Judged, source: Source) -> tuple[pl.Series, pl.Series]:
        """The events' users and ids."""
        users, ids = (judged.frame[str(source.where[self.p.columns[c]])] for c in ("user_id", "event_id"))
        if judged.reasons is None:
            return users, ids
        good = pl.Series(judged.reasons == 0)
        return users.filter(good), ids.filter(good)

    def cleanse(
        self, block: Parsed, source: Source, reasons: np.ndarray | None, verdicts: EventVerdicts
    ) -> Cleansed:
        """All of the block, by what `judge` said of its rows and the verdicts of its events."""
        us, start_us, number = verdicts
        if block.frame.height != (len(us) if reasons is None else len(reasons)):
            raise changed(source.name)
        frame = self._cleansed(block)
        names = {c: str(source.where[self.p.columns[c]]) for c in COLUMNS}
        rejects = [self._malformed(block.malformed, source)] if block.malformed else []
        if reasons is not None:
            bad = np.flatnonzero(reasons)
            rejects.append(self._rejects(frame[bad], names, reasons[bad], source))
            frame = frame.filter(pl.Series(reasons == 0))
        if frame[names["event_id"]].null_count() or frame[names["user_id"]].null_count():
            raise changed(source.name)
        kept, nulled = self._keep({name: frame[str(source.where[name])] for name, _ in self.p.keep})
        ip, country = self.countries.find(frame[names["ip_address"]])
        user = pl.col(names["user_id"])
        events = frame.select(
            event_id=names["event_id"],
            user_id=user,
            session_id=pl.concat_str(user, pl.lit("-"), pl.lit(pl.Series(start_us // 1000)).cast(pl.String)),
            event_seq=pl.lit(pl.Series(number)),
            event_time=pl.lit(pl.Series(us)).cast(TIMESTAMPTZ),
            session_start=pl.lit(pl.Series(start_us)).cast(TIMESTAMPTZ),
            page_url=names["page_url"],
            referrer=names["referrer"],
            device=pl.lit(_devices(frame[names["device"]])),
            ip_address=pl.lit(ip),
            country=pl.lit(country),
            **{name: pl.lit(values) for name, values in kept.items()},
        )
        return Cleansed(events, pl.concat(rejects) if rejects else REJECTS.to_frame(), nulled)

    def _cleansed(self, block: Parsed) -> pl.DataFrame:
        """Trimmed, and null where it means that (2.2, 2.3)."""
        frame = block.frame
        texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
        if not texts or not frame.height:
            return frame
        if block.may_need_trim:
            frame = frame.with_columns(pl.col(texts).str.strip_chars(" \t"))
        short = frame.select((pl.col(texts).str.len_bytes() <= self.longest).any()).row(0)
        doubtful = [name for name, some in zip(texts, short) if some]
        if not doubtful:
            return frame
        return frame.with_columns(
            pl.when(self._is_null(pl.col(name))).then(None).otherwise(pl.col(name)).alias(name)
            for name in doubtful
        )

    def _is_null(self, text: pl.Expr) -> pl.Expr:
        null = text.is_in(self.nulls.implode())
        return null | text.str.contains(self.null) if self.null else null

    def _malformed(self, raw: list[str], source: Source) -> pl.DataFrame:
        return pl.DataFrame({"raw": pl.Series(raw, dtype=pl.String)}).select(
            reason=pl.lit("malformed_row"),
            **{c: pl.lit(None, pl.String) for c in COLUMNS},
            raw="raw",
            source_file=pl.lit(source.name),
        )

    def _rejects(
        self, rows: pl.DataFrame, names: dict[str, str], reasons: np.ndarray, source: Source
    ) -> pl.DataFrame:
        frame = rows.select(**names)
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


def _cases(token: str) -> list[str]:
    """The token in all cases, or none if these are too many."""
    cases = [""]
    for c in token:
        both = {c.lower(), c.upper()} if c.isascii() else {c}
        cases = [start + end for start in cases for end in both]
        if len(cases) > CASES_MAX:
            return []
    return cases


def _either_case(c: str) -> str:
    if c.isascii() and c.isalpha():
        return f"[{c.lower()}{c.upper()}]"
    return re.escape(c)


def _devices(s: pl.Series) -> pl.Series:
    """2.6. Of few values each is looked at once. Polars lower-cases all of Unicode."""
    text = s.to_arrow(compat_level=pl.CompatLevel.oldest())
    given = text.dictionary_encode()
    if len(given.dictionary) > FEW_MAX:  # as text: each file would get all of the block's values
        return pl.Series(pc.ascii_lower(text)).fill_null("unknown")
    lower = pa.concat_arrays([pc.ascii_lower(given.dictionary), pa.array(["unknown"], pa.large_string())])
    lower = lower.dictionary_encode()
    codes = lower.indices.to_numpy()[given.indices.fill_null(len(lower) - 1).to_numpy()]
    return enum(codes, pl.Series(lower.dictionary))


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
