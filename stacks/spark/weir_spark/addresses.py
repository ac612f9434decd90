"""IP addresses (2.7): validity as inet_pton(3) has it, and their value, as expressions over a column of text.

An IPv4 address is a BIGINT. An IPv6 address is its 32 hexadecimal digits: texts of equal length are ordered as the
numbers are.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from .sqltext import literal

# Its first digit says which branch it is, and nothing is tried twice.
_OCTET = r"(?:1(?:[0-9][0-9]?+)?+|2(?:[0-4][0-9]?+|5[0-5]?+|[6-9])?+|[3-9][0-9]?+|0)"
IPV4 = rf"\A{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}\z"
# Eight groups, or fewer around one `::` that stands for at least one; the last two may be dotted decimal.
_TAIL = rf"(?:[0-9a-fA-F]{{1,4}}:[0-9a-fA-F]{{1,4}}|(?:{_OCTET}\.){{3}}{_OCTET})"
_G = "[0-9a-fA-F]{1,4}"
_AFTER = "|".join(
    [
        rf"(?:{_G}:){{6}}{_TAIL}",
        rf"::(?:{_G}:){{5}}{_TAIL}",
        *(rf"(?:(?:{_G}:){{0,{left - 1}}}{_G})?::(?:{_G}:){{{5 - left}}}{_TAIL}" for left in range(1, 6)),
        rf"(?:(?:{_G}:){{0,5}}{_G})?::{_G}",
        rf"(?:(?:{_G}:){{0,6}}{_G})?::",
    ]
)
IPV6 = rf"\A(?:{_AFTER})\z"


def is_ipv4(text: str) -> str:
    return f"{text} RLIKE {literal(IPV4)}"


def is_ipv6(text: str) -> str:
    return f"contains({text}, ':') AND {text} RLIKE {literal(IPV6)}"


def octets(text: str) -> str:
    """Of a valid dotted decimal. A column of its own: Spark would split again for each use of it in a CASE."""
    return f"split({text}, '\\\\.', 4)"


def ipv4_number(parts: str) -> str:
    """Of the column `octets`."""
    values = [f"CAST(get({parts}, {i}) AS BIGINT)" for i in range(4)]
    return " + ".join(f"{value} * {1 << shift}" for value, shift in zip(values, (24, 16, 8, 0)))


def hex_ipv4(digits: str) -> str:
    """The number of eight hexadecimal digits."""
    return f"CAST(conv({digits}, 16, 10) AS BIGINT)"


def with_digits(rows: DataFrame, text: str) -> DataFrame:
    """Adds `digits`, null unless `text` is a (valid) IPv6 address. In steps: an expression that stood in the next one as
    often as it is needed there would grow past all bounds."""
    before = rows.columns
    last = f"CASE WHEN contains({text}, ':') THEN substring_index({text}, ':', -1) END AS last"
    parts = f"CASE WHEN contains(last, '.') THEN {octets('last')} END AS parts"
    dotted = f"CASE WHEN parts IS NOT NULL THEN lpad(hex({ipv4_number('parts')}), 8, '0') END AS dotted"
    start = f"left({text}, octet_length({text}) - octet_length(last))"
    groups = f"concat({start}, left(dotted, 4), ':', right(dotted, 4))"
    plain = f"CASE WHEN last IS NOT NULL THEN lower(CASE WHEN dotted IS NULL THEN {text} ELSE {groups} END) END AS plain"
    sides = [f"substring_index(plain, '::', {n}) AS {side}" for n, side in ((1, "head"), (-1, "tail"))]

    def padded(side: str) -> str:
        long = f"replace(concat(':', {side}), ':', ':000')"  # each group four digits or more, of which the last four count
        four = f"regexp_replace({long}, ':[0-9a-f]*([0-9a-f]{{4}})', '$1')"
        return f"CASE WHEN {side} = '' THEN '' WHEN {side} IS NOT NULL THEN {four} END AS {side}"

    zeros = "repeat('0', 32 - octet_length(head) - octet_length(tail))"
    return (
        rows.selectExpr("*", last)
        .selectExpr("*", parts)
        .selectExpr("*", dotted)
        .selectExpr(*before, plain)
        .selectExpr(*before, "plain", *sides)
        .selectExpr(*before, "plain", padded("head"), padded("tail"))
        .selectExpr(
            *before,
            f"CASE WHEN contains(plain, '::') THEN concat(head, {zeros}, tail) ELSE head END AS digits",
        )
    )
