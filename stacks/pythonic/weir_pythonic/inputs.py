"""Input files of every kind, as parts that are parsed by whoever takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from . import fields, loose, parquet, reading, s3
from .errors import changed
from .fields import Parsed, Shape
from .job import Pipeline
from .reading import Source

Settings = dict[str, Any]
Part = Callable[..., Parsed]  # may be given the `shape` that the pass before found, and be `timeless`


def is_parquet(path: str) -> bool:
    return path.endswith((".parquet", ".parq"))


def read_headers(p: Pipeline, inputs: Iterable[str]) -> list[Source]:
    """1.3: all of them, before any work."""

    def read(item: tuple[int, str]) -> Source:
        n, path = item
        return (parquet if is_parquet(path) else reading).read_header(path, n, p)

    return _all(read, list(enumerate(inputs)), lambda item: item[1])


def parts(
    source: Source, p: Pipeline, size: int, columns: list[str], duckdb: Settings | None = None
) -> Iterator[Part]:
    """Of about `size` bytes; the same ones each time. `duckdb`: within what it may read."""
    if is_parquet(source.path):
        for parsed in parquet.frames(source, p, size, columns):
            yield partial(_as_it_is, parsed)
    elif not p.strict:
        for parsed in loose.frames(source, p, size, columns, duckdb or {}):
            yield partial(_as_it_is, parsed)
    else:
        for block in reading.blocks(source, p, size):
            yield partial(fields.parse, block, p, columns)


def _as_it_is(parsed: Parsed, shape: Shape | None = None, timeless: bool = False) -> Parsed:
    return parsed


def check_unchanged(sources: list[Source]) -> None:
    def check(source: Source) -> None:
        with reading.closing_errors(source.name):
            if reading.identity(source.path) != source.identity:
                raise changed(source.name)

    _all(check, sources, lambda source: source.path)


def _all(work: Callable[[Any], Any], items: list[Any], path: Callable[[Any], str]) -> list[Any]:
    """One after another; several at once where each takes a service's answers."""
    if any(s3.is_s3(path(item)) for item in items):
        return s3.each(work, items)
    return [work(item) for item in items]
