"""Cleansing (2.2–2.7, 1.6): rows of text become rows on their way to the sessions.

A reject travels among the events: `us` is NEVER_US, and `page_url` holds all of it as JSON. So the input is read and
parsed once, by one job, that writes both; see output.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame

from .addresses import is_ipv4, is_ipv6
from .columnar import NOTHING, TEXT
from .job import COLUMNS, REASONS, REQUIRED, Pipeline
from .sqltext import literal, named, quoted_regex
from .timestamps import END_US, FIRST_US, NEVER_US, WHOLE_NUMBER, micros, shown

REJECT_FIELDS = ("reason", *COLUMNS, "raw", "source_file")
DOUBLE = r"\A-?[0-9]++(?:\.[0-9]++)?+(?:e[+-]?[0-9]++)?+\z"
Kinds = tuple[str, ...] | None  # None: all is text, as in CSV
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _trimmed(f: str) -> str:
    """btrim looks at every character: only where there is something to trim."""
    ends = " OR ".join(f"{test}({f}, {c})" for test in ("startswith", "endswith") for c in ("' '", "'\\t'"))
    return f"CASE WHEN {ends} THEN btrim({f}, ' \\t') ELSE {f} END"


def _nulled(f: str, p: Pipeline) -> str:
    """2.3. Java's (?i) is ASCII's. Most values are longer than any token, and need no look."""
    longest = max((len(t.encode()) for t in p.null_tokens), default=0)
    pattern = r"\A(?i:" + "|".join(quoted_regex(t) for t in p.null_tokens) + r")\z"
    token = f" OR {f} RLIKE {literal(pattern)}" if p.null_tokens else ""
    return (
        f"CASE WHEN octet_length({f}) <= {longest} AND (octet_length({f}) = 0{token}) THEN NULL ELSE {f} END"
    )


def ascii_lower(f: str) -> str:
    """2.6: lower() is Unicode's, and only right where all is ASCII."""
    return (
        f"CASE WHEN char_length({f}) = octet_length({f}) THEN lower({f})"
        f" ELSE translate({f}, '{UPPER}', '{UPPER.lower()}') END"
    )


def keep_value(f: str, kind: str) -> str:
    """1.6: null too where it does not fit."""
    if kind == "long":
        return f"CASE WHEN {f} RLIKE {literal(WHOLE_NUMBER)} THEN CAST({f} AS BIGINT) END"
    if kind == "double":
        value = f"CAST({f} AS DOUBLE)"
        return f"CASE WHEN {f} RLIKE {literal(DOUBLE)} AND abs({value}) < DOUBLE('Infinity') THEN {value} END"
    return f


def packed(values: Mapping[str, str]) -> str:
    """A reject as JSON; what is not given is null, and left out."""
    fields = ", ".join(f"'{c}', {values[c]}" for c in REJECT_FIELDS if c in values)
    return f"to_json(named_struct({fields}))"


def clean_text(rows: DataFrame, p: Pipeline, kinds: Kinds = None) -> DataFrame:
    """`f0`, `f1`, … of `rows` as `c0`, `c1`, …: trimmed, null where they mean it; what is no text as it is."""
    fields = range(len(p.needed))
    text = {i for i in fields if kinds is None or kinds[i] in (TEXT, NOTHING)}
    others = ("ok", "line", "source")
    trimmed = {f"t{i}": _trimmed(f"f{i}") if i in text else f"f{i}" for i in fields}
    nulled = {f"c{i}": _nulled(f"t{i}", p) if i in text else f"t{i}" for i in fields}
    return rows.selectExpr(*others, *named(trimmed)).selectExpr(*others, *named(nulled))


def _typed(text: DataFrame, p: Pipeline, kinds: Kinds) -> DataFrame:
    """Adds `us`, the timestamp's text as `shown`, and for each keep column its value and whether it had one."""
    time = f"c{COLUMNS.index('timestamp')}"
    if kinds is None or kinds[COLUMNS.index("timestamp")] in (TEXT, NOTHING):
        times = {"us": micros(time, p.timestamp), "time_text": time}
    else:
        inside = f"{time} >= {FIRST_US} AND {time} < {END_US}"
        shows = f"CASE WHEN {inside} THEN {shown(time)} ELSE CAST({time} AS STRING) END"
        times = {"us": f"CASE WHEN {inside} THEN {time} END", "time_text": shows}
    keep = {}
    for i, (_, kind) in enumerate(p.keep):
        c = f"c{len(COLUMNS) + i}"
        is_text = kinds is None or kinds[len(COLUMNS) + i] in (TEXT, NOTHING)
        keep[f"k{i}"] = keep_value(c, kind) if is_text else f"{c}.value"
        keep[f"there{i}"] = f"{c} IS NOT NULL" if is_text else f"{c}.there"
    return text.selectExpr("*", *named(times), *named(keep))


def cleanse(text: DataFrame, p: Pipeline, kinds: Kinds = None) -> DataFrame:
    """Of `ok`, `line`, `source` and `c0`, …: the columns of `travelling`, and what is counted of them, `nulled0`, …"""
    at = {c: f"c{i}" for i, c in enumerate(COLUMNS)}
    keep = [f"k{i}" for i in range(len(p.keep))]
    typed = _typed(text, p, kinds)
    missing = " ".join(f"WHEN {at[c]} IS NULL THEN '{r}'" for c, r in zip(REQUIRED, REASONS[1:]))
    reason = f"CASE WHEN NOT ok THEN '{REASONS[0]}' {missing} ELSE 'bad_timestamp' END"
    texts = {**at, "timestamp": "time_text"}
    fields = {
        c: f"CASE WHEN ok THEN {t} END" for c, t in texts.items() if not (p.drop_ip and c == "ip_address")
    }
    reject = packed(
        {
            "reason": reason,
            **fields,
            "raw": "CASE WHEN NOT ok THEN make_valid_utf8(line) END",
            "source_file": "source",
        }
    )
    good = " AND ".join(["ok", *(f"{at[c]} IS NOT NULL" for c in REQUIRED), "us IS NOT NULL"])
    judged = typed.selectExpr("*", f"{good} AS good").selectExpr(
        "*", f"CASE WHEN NOT good THEN {reject} END AS reject"
    )
    ip = at["ip_address"]
    misfits = {f"nulled{i}": f"good AND there{i} AND {k} IS NULL" for i, k in enumerate(keep)}
    return judged.selectExpr(
        f"xxhash64(CASE WHEN good THEN {at['user_id']} ELSE reject END) AS uh",
        f"{at['user_id']} AS user_id",
        f"CASE WHEN good THEN us ELSE {NEVER_US} END AS us",
        f"{at['event_id']} AS event_id",
        f"CASE WHEN good THEN {at['page_url']} ELSE reject END AS page_url",
        f"{at['referrer']} AS referrer",
        f"coalesce({ascii_lower(at['device'])}, 'unknown') AS device",
        f"CASE WHEN {is_ipv4(ip)} OR ({is_ipv6(ip)}) THEN {ip} END AS ip_address",
        *keep,
        "source",
        *named(misfits),
    )


def travelling(p: Pipeline) -> list[str]:
    """The columns that go through the shuffle."""
    keep = [f"k{i}" for i in range(len(p.keep))]
    return [
        "uh",
        "user_id",
        "us",
        "event_id",
        "page_url",
        "referrer",
        "device",
        "ip_address",
        *keep,
        "source",
    ]
