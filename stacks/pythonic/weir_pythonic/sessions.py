"""Order, duplicates and sessions (3) of all events of some users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from .cleanse import REJECTS, keep_column
from .job import COLUMNS, Pipeline
from .timestamps import show

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Sessions:
    events: pl.DataFrame  # by day
    days: list[tuple[int, int, int]]  # (days since 1970, first row, number of rows) of `events`
    rejects: pl.DataFrame
    sessions: int
    users: int


def _order(frame: pl.DataFrame, p: Pipeline) -> pl.Series:
    """3.1. Two integers are sorted, then the few rows whose user and time are equal by all columns."""
    user = frame["user_id"].hash()
    keys = pl.DataFrame({"user": user, "time": frame["event_time"]})
    order = keys.select(pl.arg_sort_by("user", "time")).to_series()
    keys = keys.select(pl.all().gather(order))
    same = _same_as_before(keys["user"]) & _same_as_before(keys["time"])
    users = frame["user_id"].gather(order)
    if (_same_as_before(keys["user"]) & ~_same_as_before(users)).any():  # two users of one hash
        return frame.select(pl.arg_sort_by(*_keys(p), nulls_last=False)).to_series()
    tied = np.flatnonzero(same | np.append(same[1:], False))
    if len(tied):
        at = pl.Series(tied)
        rows = order.gather(at)
        few = frame.select(pl.col(_keys(p)).gather(rows)).with_columns(user=user.gather(rows))
        few = few.select(pl.arg_sort_by("user", *_keys(p), nulls_last=False)).to_series()
        order = order.scatter(at, rows.gather(few))
    return order


def _keys(p: Pipeline) -> list[str]:
    keys = ["user_id", "event_time", "event_id", "page_url", "referrer", "device", "ip_address"]
    return keys + [keep_column(n) for n in range(len(p.keep))]


def _same_as_before(s: pl.Series) -> np.ndarray:
    out = np.zeros(len(s), bool)
    if len(s) > 1:
        out[1:] = (s[1:] == s[:-1]).to_numpy()
    return out


def sessionize(frame: pl.DataFrame, p: Pipeline, sources: list[str]) -> Sessions:
    order = _order(frame, p)
    user, time = frame["user_id"].gather(order), frame["event_time"].gather(order)
    same_user = _same_as_before(user)
    copy = same_user & _same_as_before(time) & _same_as_before(frame["event_id"].gather(order))
    rejects = REJECTS.to_frame()
    if copy.any():
        rejects = _duplicates(frame.select(pl.all().gather(order.filter(pl.Series(copy)))), p, sources)
        kept = pl.Series(~copy)
        order, user, time = order.filter(kept), user.filter(kept), time.filter(kept)
        same_user = _same_as_before(user)
    us = time.to_numpy()
    starts = ~same_user
    starts[1:] |= np.diff(us) > p.gap_us
    first = np.flatnonzero(starts)
    session = np.cumsum(starts) - 1
    start = us[first]
    ids = pl.select(pl.concat_str(user.gather(first), pl.lit("-"), pl.Series(start // 1000).cast(pl.String)))
    sequence = (
        (np.arange(len(us)) - first[session] + 1).astype(np.int32) if len(us) else np.zeros(0, np.int32)
    )

    day = us // DAY_US
    by_day = np.argsort(day.astype(np.int32), kind="stable")
    day = day[by_day]
    edges = np.flatnonzero(np.diff(day, prepend=day[0] - 1)) if len(day) else np.zeros(0, np.int64)
    counts = np.diff(np.append(edges, len(day)))
    order = order.gather(by_day)
    session = session[by_day]
    timestamptz = pl.Datetime("us", "UTC")
    names = ["event_id", "page_url", "referrer", "device", "ip_address", "country"]
    columns = {c: frame[c].gather(order) for c in names}
    if p.drop_ip:
        columns["ip_address"] = pl.repeat(None, len(order), dtype=pl.String, eager=True)
    events = pl.DataFrame(
        {
            "event_id": columns.pop("event_id"),
            "user_id": user.gather(by_day),
            "session_id": ids.to_series().gather(session),
            "event_seq": sequence[by_day],
            "event_time": pl.Series(us[by_day]).cast(timestamptz),
            "session_start": pl.Series(start[session]).cast(timestamptz),
            **columns,
            **{keep_column(n): frame[keep_column(n)].gather(order) for n in range(len(p.keep))},
        }
    )
    days = list(zip(day[edges].tolist(), edges.tolist(), counts.tolist()))
    users = int(np.count_nonzero(~same_user))
    return Sessions(events, days, rejects, len(first), users)


def _duplicates(frame: pl.DataFrame, p: Pipeline, sources: list[str]) -> pl.DataFrame:
    shown = [c if c != "timestamp" else show(pl.col("event_time")).alias(c) for c in COLUMNS]
    if p.drop_ip:
        frame = frame.with_columns(ip_address=pl.lit(None, pl.String))
    return frame.select(
        pl.lit("duplicate_event").alias("reason"),
        *shown,
        pl.lit(None, pl.String).alias("raw"),
        pl.Series("source_file", sources, dtype=pl.String).gather(frame["source"]),
    )
