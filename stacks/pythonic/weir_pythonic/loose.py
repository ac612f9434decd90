"""`input.csv.strict: false` (1.7): DuckDB's own reader, with its own idea of a malformed record.

Not Polars': a quoted field with a space behind it ends its whole run, `ignore_errors` or not (pola-rs/polars#25462).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from . import s3
from .errors import BadInput
from .fields import Parsed
from .job import Pipeline
from .reading import RECORD_MAX, Source

ROW_BYTES = 128  # guessed, to make frames of about the size asked for


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(path: str) -> str:
    """A file's name that is no pattern, whatever its characters."""
    return _quoted("".join(f"[{c}]" if c in "*?[" else c for c in path))


def frames(
    source: Source, p: Pipeline, size: int, columns: Iterable[str], settings: dict[str, Any]
) -> Iterator[Parsed]:
    """All needed columns are read each time, `columns` or not: the reader only looks for errors in what it is asked for."""
    import duckdb  # the strict reader does without

    needed = sorted({source.where[c] for c in (*p.columns.values(), *(name for name, _ in p.keep))})
    wanted = [str(n) for n in sorted({source.where[c] for c in columns})]
    names = ", ".join(f"'{n}': 'VARCHAR'" for n in range(source.field_count))
    remote = s3.is_s3(source.path)
    path = f"weir://{s3.bare(source.path)}" if remote else source.path
    query = f"""
        SELECT {", ".join(f'"{n}"' for n in needed)}
        FROM read_csv({_literal(path)}, auto_detect = false, columns = {{{names}}}, header = true,
            delim = {_quoted(p.delimiter)}, quote = '"', escape = '"', strict_mode = false, store_rejects = true,
            max_line_size = {RECORD_MAX}, buffer_size = {2 * RECORD_MAX}, compression = {_quoted(_compression(source.path))})
    """
    try:
        with duckdb.connect(config=settings) as db:
            if remote:
                db.register_filesystem(s3.for_duckdb())
            for batch in db.execute(query).to_arrow_reader(max(1, size // ROW_BYTES)):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                frame = frame.select(wanted).rechunk()
                yield Parsed(frame, [], frame.height)
            # A line may have several errors.
            lines = db.execute("SELECT any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line")
            while rejected := lines.fetchmany(1 << 12):
                malformed = [line for (line,) in rejected]
                none = pl.DataFrame(schema={n: pl.String for n in wanted})
                yield Parsed(none, malformed, len(malformed))
    except duckdb.Error as e:
        if remote and s3.is_of_s3(path, e):
            raise s3.explained(source.path, "read", e) from e
        raise BadInput(f"{source.name}: {e}".splitlines()[0]) from e


def _compression(path: str) -> str:
    return "gzip" if path.endswith(".gz") else "zstd" if path.endswith(".zst") else "none"
