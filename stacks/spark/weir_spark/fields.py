"""CSV records become fields (1.2, 2.1).

A line without a quote is split at the delimiters; of any other the fields are found by their grammar. The groups of its
regular expression are repeated possessively: Java's other repetitions of groups recurse, and overflow the stack on long
fields. Those of one character class are greedy, which Java has a loop of its own for.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from .job import Pipeline
from .reading import Layout
from .sqltext import literal, named, quoted_regex

ROWS_OF_FILE = (1 << 33) - 1  # of monotonically_increasing_id, when a partition is one piece of a file


def _field(delimiter: str) -> str:
    d = quoted_regex(delimiter)
    return f'(?:"[^"]*(?:""[^"]*)*+"|(?:[^"{d}][^{d}]*)?+)'


def without_line_end(column: str) -> str:
    """Bytewise: the text may not be UTF-8."""
    cut = f"CAST(substring(CAST({column} AS BINARY), 1, octet_length({column}) - 1) AS STRING)"
    return f"CASE WHEN endswith({column}, '\\r') THEN {cut} ELSE {column} END"


def split_records(lines: DataFrame, p: Pipeline, layout: Layout) -> DataFrame:
    """`line`, `source` → `ok`, `line`, `source` and a column of text for each of Pipeline.needed, `f0`, `f1`, …, unquoted."""
    d, n = p.delimiter, layout.fields
    mark = quoted_regex(d)
    # The delimiter before each field makes every match longer than nothing. A line is a record when they pass over nothing.
    fields = f"regexp_extract_all(concat({literal(d)}, line), {literal(f'{mark}({_field(d)})')}, 1)"
    split = lines.selectExpr("line", "source", "contains(line, '\"') AS quoted").selectExpr(
        "line",
        "source",
        "quoted",
        f"CASE WHEN quoted THEN {fields} ELSE split(line, {literal(mark)}, {n + 1}) END AS parts",
    )
    shape = f"size(parts) = {n} AND is_valid_utf8(line) AND (NOT quoted OR array_join(parts, {literal(d)}) = line)"
    chosen = {f"r{i}": f"get(parts, {at})" for i, at in enumerate(layout.where)}
    raw = split.selectExpr("line", "source", "quoted", f"{shape} AS ok", *named(chosen))
    inner = "replace(substring(r{0}, 2, char_length(r{0}) - 2), '\"\"', '\"')"
    plain = {
        f"f{i}": f"CASE WHEN quoted AND startswith(r{i}, '\"') THEN {inner.format(i)} ELSE r{i} END"
        for i in range(len(layout.where))
    }
    return raw.selectExpr("line", "source", "ok", *named(plain))
