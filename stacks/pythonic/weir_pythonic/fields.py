"""A block's records as columns of text (1.2, 2.1).

Where the quotes and delimiters of a line stand tells whether it is a record: such lines go to Polars' CSV reader,
which has nothing to decide then, with quoting switched off where a block holds no quote. The others are matched against
the grammar of a record, by one regular expression, and what does not match is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from .errors import BadInput
from .job import Pipeline
from .reading import RECORD_MAX, Block

LF, CR, QUOTE = 10, 13, 34
SPACE, TAB = 32, 9
MANY = 32  # one line in so many


@dataclass(frozen=True)
class Shape:
    """What parsing a block for the first time tells, so that the second need not find it out again."""

    rows: int  # lines that Polars reads as they are meant
    records: int  # counted from line ends alone (5.1)
    taken: (
        np.ndarray | None
    )  # where those lines stand: start and end of each run of them; None if they are all of it
    odd: np.ndarray  # where the other records stand: starts, ends
    blanks: bool  # there may be some to be trimmed in the lines taken


@dataclass(frozen=True)
class Parsed:
    frame: pl.DataFrame  # one column of text for each field wanted, named by its number
    malformed: list[str]  # as read, invalid bytes as U+FFFD
    records: int  # counted from line ends alone (5.1)
    may_need_trim: bool = True
    shape: Shape | None = None


def parse(
    block: Block, p: Pipeline, columns: Iterable[str], shape: Shape | None = None, timeless: bool = False
) -> Parsed:
    """`shape` is what `Parsed` said when the block was parsed before. `timeless`: timestamps are known, and not wanted."""
    if timeless:
        others = {name for role, name in p.columns.items() if role != "timestamp"} | {
            name for name, _ in p.keep
        }
        columns = others.intersection(columns)
    wanted = sorted({block.source.where[c] for c in columns})
    data, n = block.data, block.source.field_count
    if shape is None:
        shape = _shape(block, n, p.delimiter)
    frames, malformed = [], []
    if shape.rows:
        lines = data if shape.taken is None else _joined(data, shape.taken)
        frame = _plain(lines, shape.rows, n, wanted, p.delimiter)
        if frame is None:  # the reader has another idea of a line: never seen, and the grammar decides
            shape = _all_odd(block, shape)
        else:
            frames.append(frame)
    if shape.odd.size:
        records = [data[s:e] for s, e in shape.odd.T.tolist()]
        frame, malformed = _by_grammar(records, n, wanted, p.delimiter)
        frames.append(frame.with_columns(pl.all().str.strip_chars(" \t")))
    if not frames:
        frames = [pl.DataFrame(schema={str(w): pl.String for w in wanted})]
    frame = frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=True)
    return Parsed(frame, malformed, shape.records, shape.blanks, shape)


NONE = np.empty((2, 0), np.int64)


def _shape(block: Block, n: int, delimiter: str) -> Shape:
    octets = np.frombuffer(block.data, np.uint8)
    rows = _rows_if_plain(block, octets, n, delimiter)
    if rows:
        return Shape(rows, rows, None, NONE, b" " in block.data or b"\t" in block.data)
    starts, ends, records, crs = _records(block, octets)
    regular, padded = _regular(block, octets, starts, ends, n, delimiter, crs)
    # Few lines to be trimmed are taken one by one; with many, all are.
    blanks = len(padded) > len(starts) // MANY
    if not blanks:
        regular[padded] = False
    rows = int(np.count_nonzero(regular))
    odd = np.flatnonzero(~regular & (ends > starts))
    taken = None
    if rows != len(starts):
        edges = np.flatnonzero(np.diff(regular.astype(np.int8), prepend=0, append=0))
        taken = np.append(starts, len(octets))[edges]
    return Shape(rows, records, taken, np.array([starts[odd], ends[odd]]), blanks)


def _all_odd(block: Block, shape: Shape) -> Shape:
    starts, ends, _, _ = _records(block, np.frombuffer(block.data, np.uint8))
    some = ends > starts
    return Shape(0, shape.records, None, np.array([starts[some], ends[some]]), shape.blanks)


def _rows_if_plain(block: Block, octets: np.ndarray, n: int, delimiter: str) -> int:
    """The number of records, if all are lines of n fields that need no closer look; 0 if one may."""
    data = block.data
    if block.ends is not None or n < 2 or b'"' in data or b"\r" in data or not data.endswith(b"\n"):
        return 0
    if _misleads(data) or len(data) > RECORD_MAX:
        return 0
    ends_line = octets == LF
    rows = int(np.count_nonzero(ends_line))
    marks = np.flatnonzero(ends_line | (octets == ord(delimiter)))
    # As many marks as there should be, and each n-th ends a line.
    if len(marks) != rows * n or not ends_line[marks[n - 1 :: n]].all():
        return 0
    return rows if data.isascii() or _is_utf8(data) else 0


def _misleads(data: bytes) -> bool:
    """What a CSV reader may take for a byte order mark or a compressed file's first bytes."""
    return data[:1] == b"\xef" or data[:2] in (b"x\x01", b"x^")


def _records(block: Block, octets: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """Where records start and end without their line end, how many are not empty, where CRs are."""
    size = len(octets)
    ends = block.ends
    if ends is None:
        ends = np.flatnonzero(octets == LF)
        if not len(ends) or ends[-1] != size - 1:
            ends = np.append(ends, size)
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    crs = np.flatnonzero(octets == CR) if b"\r" in block.data else np.empty(0, np.int64)
    if len(crs):
        ends = ends - ((ends > starts) & (octets[np.maximum(ends - 1, 0)] == CR))
    lengths = ends - starts
    if size > RECORD_MAX and int(lengths.max()) > RECORD_MAX:
        at = block.offset + int(starts[int(lengths.argmax())])
        raise BadInput(f"{block.source.name}: the record at byte {at} is longer than 16 MiB")
    return starts, ends, int(np.count_nonzero(lengths)), crs


def _regular(
    block: Block,
    octets: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    n: int,
    delimiter: str,
    crs: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Which records are UTF-8, hold no CR, and have n fields by RFC 4180, with quotes only where each is a line; and the
    numbers of those with a field to be trimmed."""
    data = block.data
    ok = ends > starts
    if b'"' in data and block.ends is None:
        good, marks = _of_fields(octets, starts, n, delimiter)
        ok &= good
    else:
        marks = np.flatnonzero(octets == ord(delimiter))
        bounds = np.searchsorted(marks, np.append(starts, len(octets)))
        ok &= np.diff(bounds) == n - 1

    def line_of(positions: np.ndarray) -> np.ndarray:
        return np.searchsorted(starts, positions, side="right") - 1

    if b'"' in data and block.ends is not None:
        ok[line_of(np.flatnonzero(octets == QUOTE))] = False
    if len(crs):
        line = line_of(crs)
        ok[line[crs < ends[line]]] = False
    if not data.isascii() and not _is_utf8(data):
        for line in np.unique(line_of(np.flatnonzero(octets >= 0x80))).tolist():
            if not _is_utf8(data[starts[line] : ends[line]]):
                ok[line] = False
    if ok[0] and _misleads(data):
        ok[0] = False
    padded = np.empty(0, np.intp)
    if b" " in data or b"\t" in data:
        last = len(octets) - 1
        beside = _blank(octets[np.minimum(marks + 1, last)]) | _blank(octets[np.maximum(marks - 1, 0)])
        around = _blank(octets[np.minimum(starts, last)]) | _blank(octets[np.maximum(ends - 1, 0)])
        padded = np.union1d(line_of(marks[beside]), np.flatnonzero(around))
    return ok, padded


def _blank(octets: np.ndarray) -> np.ndarray:
    return (octets == SPACE) | (octets == TAB)


def _of_fields(
    octets: np.ndarray, starts: np.ndarray, n: int, delimiter: str
) -> tuple[np.ndarray, np.ndarray]:
    """Which lines are n fields, plain or quoted, from where their quotes and delimiters stand. A quote after an even number
    of others in its line opens, one after an odd number closes; `""` inside a field closes and opens it. And where fields
    begin and end: separators and quotes."""
    at = np.flatnonzero((octets == LF) | (octets == QUOTE) | (octets == ord(delimiter)))
    kind = octets[at]
    ends, quote = kind == LF, kind == QUOTE
    line = np.cumsum(ends) - ends
    before = np.cumsum(quote) - quote
    first = np.searchsorted(at, starts)  # of each line's marks
    inside = (before - before[np.minimum(first, len(at) - 1)][line]) & 1 == 1
    separates = ends | ~(quote | inside)
    follows = np.diff(at, prepend=-1) == 1  # there is nothing between this mark and the one before
    joins = separates | (quote & inside)  # behind these a field may open
    opens_well = follows & np.append(True, joins[:-1])
    # A closing quote is followed by a separator or an opening quote: by any mark, then.
    closes_well = np.append(follows[1:], at[-1:] == len(octets) - 1)
    wrong = (quote & ~np.where(inside, closes_well, opens_well)) | (ends & inside)
    ok = np.bincount(line[separates & ~ends], minlength=len(starts)) == n - 1
    ok[line[wrong]] = False
    if not ends[-1] and (quote[-1] != inside[-1]):  # the last line has no end, and a quote is open there
        ok[-1] = False
    return ok, at[separates | quote]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(data: bytes, taken: np.ndarray) -> bytes:
    """The lines taken with their ends, in order."""
    view = memoryview(data)
    at = taken.tolist()
    return b"".join(view[a:b] for a, b in zip(at[::2], at[1::2]))


def _plain(data: bytes, rows: int, n: int, wanted: list[int], delimiter: str) -> pl.DataFrame | None:
    frame = pl.read_csv(
        data,
        has_header=False,
        separator=delimiter,
        quote_char='"' if b'"' in data else None,
        schema={f"column_{i + 1}": pl.String for i in range(n)},
        columns=[f"column_{w + 1}" for w in wanted],
    ).rechunk()
    frame.columns = [str(w) for w in wanted]
    return frame if frame.height == rows else None


def grammar(n: int, wanted: list[int], delimiter: str) -> str:
    """A record of n fields, RFC 4180; the fields wanted are groups, with their quotes."""
    d = re.escape(delimiter)
    field = f'(?:"(?:[^"]|"")*"|(?:[^"{d}][^{d}]*)?)'
    return r"\A" + d.join(f"({field})" if i in wanted else field for i in range(n)) + r"\z"


def _by_grammar(
    lines: list[bytes], n: int, wanted: list[int], delimiter: str
) -> tuple[pl.DataFrame, list[str]]:
    good = [line for line in lines if _is_utf8(line)]
    malformed = [line.decode("utf-8", "replace") for line in lines if not _is_utf8(line)]
    text = pl.Series("line", good, dtype=pl.Binary).cast(pl.String)
    pattern = grammar(n, wanted, delimiter)
    fits = text.str.contains(pattern)
    malformed += text.filter(~fits).to_list()
    groups = text.filter(fits).str.extract_groups(pattern).struct.unnest()
    groups.columns = [str(w) for w in wanted]
    return groups.with_columns(_unquoted(pl.col(c)) for c in groups.columns), malformed


def _unquoted(field: pl.Expr) -> pl.Expr:
    inside = field.str.slice(1, field.str.len_chars().cast(pl.Int64) - 2).str.replace_all(
        '""', '"', literal=True
    )
    return pl.when(field.str.starts_with('"')).then(inside).otherwise(field)
