"""`input.csv.strict: false` (1.7): Polars' own reader, with its own idea of a malformed record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from .errors import BadInput
from .fields import Parsed
from .job import Pipeline
from .reading import Source


def frames(source: Source, p: Pipeline, size: int, columns: Iterable[str]) -> Iterator[Parsed]:
    wanted = sorted({source.where[c] for c in columns})
    rows = pl.scan_csv(
        source.path,
        separator=p.delimiter,
        infer_schema=False,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        with_column_names=lambda names: [str(n) for n in range(len(names))],
    ).select(str(w) for w in wanted)
    try:
        for frame in rows.collect_batches(
            chunk_size=max(1, size // 128), maintain_order=True, engine="streaming"
        ):
            frame = frame.filter(~pl.all_horizontal(pl.all().is_null())).rechunk()  # without empty lines
            yield Parsed(frame, [], frame.height)
    except pl.exceptions.PolarsError as e:
        raise BadInput(f"{source.name}: {e}".splitlines()[0]) from e
