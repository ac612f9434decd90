"""Order, duplicates, sessions (3): two window passes over one sort.

Rows are sorted by a 64-bit hash of the visitor first, which the sort compares without looking at the row. The windows
are ordered by the first part of that order only, so that dense_rank() counts the events kept so far.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from .job import Pipeline
from .timestamps import NEVER_US

_VISITOR = "PARTITION BY uh, user_id ORDER BY us, event_id"
_SO_FAR = f"{_VISITOR} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"


def sessionize(rows: DataFrame, p: Pipeline, partitions: int) -> DataFrame:
    """Adds `real`, `copy`, `starts`, `first`, `session_us`, `event_seq`; events are real and no copy."""
    keep = [f"k{i}" for i in range(len(p.keep))]
    order = ["uh", "user_id", "us", "event_id", "page_url", "referrer", "device", "ip_address", *keep]
    placed = rows.repartition(partitions, "uh") if partitions > 1 else rows.coalesce(1)
    seen = placed.sortWithinPartitions(*(F.col(c).asc_nulls_first() for c in order)).selectExpr(
        "*",
        f"lag(us) OVER ({_VISITOR}) AS us_before",
        f"lag(event_id) OVER ({_VISITOR}) AS id_before",
        f"dense_rank() OVER ({_VISITOR}) AS kept_so_far",
    )
    real = f"us <> {NEVER_US}"
    alone = f"(us_before IS NULL OR us_before = {NEVER_US})"
    judged = seen.selectExpr(
        "*",
        f"{real} AS real",
        f"{real} AND us_before <=> us AND id_before <=> event_id AS copy",
        f"{real} AND {alone} AS first",
    ).selectExpr("*", f"real AND NOT copy AND (first OR us - us_before > {p.gap_us}) AS starts")
    return judged.selectExpr(
        "*",
        f"max(CASE WHEN starts THEN us END) OVER ({_SO_FAR}) AS session_us",
        f"max(CASE WHEN starts THEN kept_so_far END) OVER ({_SO_FAR}) AS kept_at_start",
    ).selectExpr("*", "kept_so_far - kept_at_start + 1 AS event_seq")
