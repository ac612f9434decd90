"""Rows to write, and the rejects among them (4.1, 4.2).

One job writes everything to the events table's files: rejects have a day of their own that no event can have. Their
files are read back, which is little work when there are few, become files of the rejects table, and are deleted. The
other way is to compute everything twice, or to keep all of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from .cleanse import REJECT_FIELDS, packed
from .job import COLUMNS, REASONS, Pipeline
from .sqltext import named
from .timestamps import NEVER_US, floor_millis, shown

NEVER_DAY = NEVER_US // 86_400_000_000


def everything(rows: DataFrame, p: Pipeline) -> DataFrame:
    """Of sessionized and located rows: the events table's columns."""
    address = "NULL" if p.drop_ip else "ip_address"
    values: Mapping[str, str] = {
        "reason": "'duplicate_event'",
        **{c: c for c in COLUMNS},
        "timestamp": shown("us"),
        "ip_address": address,
        "source_file": "source",
    }
    if p.drop_ip:
        values = {k: v for k, v in values.items() if k != "ip_address"}
    kept = rows.selectExpr("*", "real AND NOT copy AS event")
    return kept.selectExpr(
        *named(
            {
                "event_id": "coalesce(event_id, '')",
                "user_id": "coalesce(user_id, '')",
                "session_id": f"CASE WHEN event THEN concat(user_id, '-', {floor_millis('session_us')}) ELSE '' END",
                "event_seq": "CASE WHEN event THEN CAST(event_seq AS INT) ELSE 0 END",
                "event_time": f"timestamp_micros(CASE WHEN event THEN us ELSE {NEVER_US} END)",
                "session_start": f"timestamp_micros(CASE WHEN event THEN session_us ELSE {NEVER_US} END)",
                "page_url": f"CASE WHEN copy THEN {packed(values)} ELSE page_url END",
                "referrer": "referrer",
                "device": "device",
                "ip_address": f"CAST({address} AS STRING)",
                "country": "country",
            }
        ),
        *(f"k{i} AS `{name.replace('`', '``')}`" for i, (name, _) in enumerate(p.keep)),
    )


def rejects_of(spark: SparkSession, files: list[str], counts: Observation) -> DataFrame:
    """The rejects in these files, as the rejects table has them, counted by reason."""
    schema = ", ".join(f"{c} STRING" for c in REJECT_FIELDS)
    rows = spark.read.option("recursiveFileLookup", "true").parquet(*files)
    rejects = rows.selectExpr(f"from_json(page_url, '{schema}') AS r").select("r.*")
    return rejects.observe(counts, *(F.expr(f"count_if(reason = '{r}') AS {r}") for r in REASONS))
