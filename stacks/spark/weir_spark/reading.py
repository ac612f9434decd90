"""Input files: headers (1.3), read by the driver before any work, and the lines or records behind them (1.2, 1.4).

Lines are split by Spark's text source, at LF alone. Where quoted fields may hold line ends, the records of a file
are cut one after another, by a function that Spark runs once for each file.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import pyarrow as pa
import zstandard

from .errors import BadInput
from .job import Pipeline

RECORD_MAX = 16 << 20  # 1.4
BOM = b"\xef\xbb\xbf"
BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)


Opener = Callable[[str], BinaryIO]


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def local(path: str) -> BinaryIO:
    return open(path, "rb")


class _Zstd:
    """All frames of a file; unlike zstandard's own reader it refuses a file that ends inside one."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.frame: zstandard.ZstdDecompressionObj | None = None
        self.rest = b""

    def read(self, size: int, /) -> bytes:
        while True:
            data = self.rest or self.file.read(min(size, 1 << 18))
            self.rest = b""
            if not data:
                if self.frame is not None:
                    raise zstandard.ZstdError("the file ends inside a frame")
                return b""
            frame = self.frame or zstandard.ZstdDecompressor().decompressobj()
            out = frame.decompress(data)
            self.frame = frame
            if frame.eof:
                self.rest, self.frame = frame.unused_data, None
            if out:
                return out


def open_stream(path: str, opened: Opener = local) -> Stream:
    file = opened(path)
    if path.endswith(".gz"):
        return gzip.GzipFile(fileobj=file, mode="rb")
    return _Zstd(file) if path.endswith(".zst") else file


def said(e: BaseException) -> str:
    """An error of reading, without the path that it may repeat."""
    return str(getattr(e, "strerror", None) or e or type(e).__name__)


@dataclass(frozen=True)
class Layout:
    """What files must share to be read as one: the header's shape and where its line stands."""

    fields: int
    where: tuple[int, ...]  # for each of Pipeline.needed
    line: int  # lines before the header, which are empty


@dataclass(frozen=True)
class Source:
    path: str
    layout: Layout

    @property
    def name(self) -> str:
        return os.path.basename(self.path)


def record_end(data: bytes, at: int, delimiter: bytes, field_end: re.Pattern[bytes]) -> int:
    """1.4, `multiline: true`: the LF that ends the record beginning at `at`, −1 when it is not in data."""
    while True:
        if data[at : at + 1] != b'"':
            found = field_end.search(data, at)
            if not found:
                return -1
            if found[0] == b"\n":
                return found.start()
            at = found.end()
            continue
        at += 1
        while (quote := data.find(b'"', at)) >= 0 and data[quote + 1 : quote + 2] == b'"':
            at = quote + 2
        if quote < 0:
            return -1
        at = quote + 1
        if (
            data[at : at + 1] != delimiter
        ):  # the line end, or text after the quote: nothing is quoted until then
            return data.find(b"\n", at)
        at += 1


class _Cutter:
    """Finds record ends; a line without a quote that starts a record is one."""

    def __init__(self, delimiter: str, multiline: bool) -> None:
        self.mark = delimiter.encode()
        self.multiline = multiline
        self.field_end = re.compile(b"[\n" + re.escape(self.mark) + b"]")

    def end(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if self.multiline and data.find(b'"', at, len(data) if end < 0 else end) >= 0:
            return record_end(data, at, self.mark, self.field_end)
        return end


def _too_long(name: str, at: int) -> BadInput:
    return BadInput(f"{name}: the record at byte {at} is longer than 16 MiB")


def _records(name: str, stream: Stream, cutter: _Cutter) -> Iterator[tuple[int, bytes]]:
    """Each record's offset and its bytes without the line end; empty ones too."""
    data = stream.read(1 << 16)
    base, at = 0, 3 if data.startswith(BOM) else 0
    ended = not data
    while True:
        end = cutter.end(data, at)
        if end < 0 and not ended:
            base, data, at = base + at, data[at:], 0
            if len(data) > RECORD_MAX + 2:
                raise _too_long(name, base)
            parts = [data]
            want = max(1 << 20, len(data))  # doubling: a record that is long is searched few times
            while want > 0 and (more := stream.read(1 << 20)):
                parts.append(more)
                want -= len(more)
            ended = want > 0
            data = b"".join(parts)
            continue
        if end < 0 and at == len(data):
            return
        record = data[at : len(data) if end < 0 else end].removesuffix(b"\r")
        if len(record) > RECORD_MAX:
            raise _too_long(name, base + at)
        yield base + at, record
        at = len(data) if end < 0 else end + 1


def split_fields(record: bytes, delimiter: str) -> list[bytes] | None:
    """RFC 4180 fields of one record, None when malformed (2.1): for headers."""
    mark = re.escape(delimiter.encode())
    field = re.compile(b'(?:"((?:[^"]|"")*)"|((?!")[^' + mark + b"]*))(" + mark + b"|\\Z)")
    out, at = [], 0
    while found := field.match(record, at):
        quoted = found[1]
        out.append(found[2] if quoted is None else quoted.replace(b'""', b'"'))
        if not found[3]:
            return out
        at = found.end()
    return None


def _layout(name: str, record: bytes, line: int, p: Pipeline) -> Layout:
    fields = split_fields(record, p.delimiter)
    try:
        names = [f.decode().strip(" \t") for f in fields or ()]
        record.decode()
    except UnicodeDecodeError:
        names = []
    if not names:
        raise BadInput(f"{name}: malformed header")
    for wanted in p.needed:
        if names.count(wanted) != 1:
            what = "named twice in the header" if wanted in names else "not in the header"
            raise BadInput(f'{name}: column "{wanted}" is {what}')
    return Layout(len(names), tuple(names.index(n) for n in p.needed), line)


def read_headers(paths: tuple[str, ...], p: Pipeline, opened: Opener = local) -> list[Source]:
    """1.3: all of them, before any work."""
    cutter, out = _Cutter(p.delimiter, p.multiline), []
    for path in paths:
        name = os.path.basename(path)
        try:
            for line, (_, record) in enumerate(_records(name, open_stream(path, opened), cutter)):
                if record:
                    out.append(Source(path, _layout(name, record, line, p)))
                    break
            else:
                raise BadInput(f"{name}: no header line")
        except BROKEN as e:
            raise BadInput(f"{name}: {said(e)}") from e
    return out


def too_long(sources: list[Source], p: Pipeline, opened: Opener = local) -> BadInput:
    """Where the record is that the run has found to be too long."""
    cutter = _Cutter(p.delimiter, p.multiline)
    try:
        for source in sources:
            for _ in _records(source.name, open_stream(source.path, opened), cutter):
                pass
    except BadInput as e:
        return e
    except BROKEN as e:
        return BadInput(f"{source.name}: {said(e)}")
    return BadInput("a record is longer than 16 MiB")


BATCH_BYTES, BATCH_RECORDS = 4 << 20, 1 << 16


def cut_records(path: str, name: str, delimiter: str) -> Iterator[pa.RecordBatch]:
    """The records behind the header, where they may hold line ends; one that cannot be read is the last, as an error.

    Errors go with the data: an exception would reach the driver as a page of text."""
    rows: list[bytes] = []
    size, seen_header = 0, False

    def batch(error: str | None = None) -> pa.RecordBatch:
        lines = [*rows, None] if error else rows
        errors = [None] * len(rows) + ([error] if error else [])
        columns = [pa.array(lines, pa.binary()), pa.array([name] * len(lines)), pa.array(errors, pa.string())]
        return pa.RecordBatch.from_arrays(columns, names=["line", "source", "error"])

    try:
        for _, record in _records(name, open_stream(path), _Cutter(delimiter, True)):
            if not record:
                continue
            if not seen_header:
                seen_header = True
                continue
            rows.append(record)
            size += len(record)
            if size >= BATCH_BYTES or len(rows) >= BATCH_RECORDS:
                yield batch()
                rows, size = [], 0
    except BadInput as e:
        yield batch(str(e))
    except BROKEN as e:
        yield batch(f"{name}: {said(e)}")
    else:
        yield batch()
