"""Input files as blocks of whole records (1.2–1.4), and their headers."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, Protocol, cast

import numpy as np
import zstandard

from . import s3
from .errors import BadInput, changed
from .job import Pipeline

RECORD_MAX = 16 << 20  # 1.4
BOM = b"\xef\xbb\xbf"
LF = 10
PACKED = (".gz", ".zst")


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Zstd:
    """All frames of a file; unlike zstandard's own reader it refuses a file that ends inside one."""

    def __init__(self, file: Stream) -> None:
        self.file = file
        self.inside = None
        self.ready: list[bytes] = []
        self.ready_bytes = 0
        self.left = b""

    def read(self, size: int, /) -> bytes:
        while self.ready_bytes < size:
            data = self.left or self.file.read(1 << 18)
            self.left = b""
            if not data:
                if self.inside is not None:
                    raise zstandard.ZstdError("the file ends inside a frame")
                break
            if self.inside is None:
                self.inside = zstandard.ZstdDecompressor().decompressobj()
            out = self.inside.decompress(data)
            if self.inside.eof:
                self.left = self.inside.unused_data
                self.inside = None
            if out:
                self.ready.append(out)
                self.ready_bytes += len(out)
        whole = b"".join(self.ready)
        out, rest = whole[:size], whole[size:]
        self.ready = [rest] if rest else []
        self.ready_bytes = len(rest)
        return out


def _open(path: str) -> tuple[Stream, tuple[int, ...]]:
    """Unpacked, and the file's identity."""
    file: Stream
    if s3.is_s3(path):
        file = s3.Stream(path)
        before = file.identity
    else:
        before = _local_identity(path)
        file = open(path, "rb", buffering=-1 if path.endswith(PACKED) else 0)  # noqa: SIM115
    if path.endswith(".gz"):
        return gzip.GzipFile(fileobj=cast(IO[bytes], file), mode="rb"), before
    return _Zstd(file) if path.endswith(".zst") else file, before


@dataclass(frozen=True)
class Source:
    """One input file whose header has been read."""

    path: str
    name: str
    index: int
    field_count: int
    where: dict[str, int]  # input column → field
    identity: tuple[int, ...] = (0, 0, 0, 0)  # device, inode, size, time: what changes when the file does

    @property
    def packed(self) -> bool:
        return self.path.endswith((*PACKED, ".parquet"))


@dataclass(frozen=True)
class Block:
    """Whole records of one file. `ends` says where they end if that is not at every LF."""

    source: Source
    data: bytes
    offset: int  # of the first byte, after decompression
    ends: np.ndarray | None = None


@cache
def _field_end(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(b"[\n" + re.escape(delimiter.encode()) + b"]")


def record_end(data: bytes, at: int, delimiter: str) -> int:
    """1.4, `multiline: true`: the LF that ends the record beginning at `at`, −1 when it is not in data."""
    mark = delimiter.encode()
    field_end = _field_end(delimiter)
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
        while True:
            quote = data.find(b'"', at)
            if quote < 0:
                return -1
            if data[quote + 1 : quote + 2] != b'"':
                break
            at = quote + 2
        at = quote + 1
        following = data[at : at + 1]
        if following == mark:
            at += 1
            continue
        return data.find(b"\n", at)  # the line end, or text after the quote: nothing is quoted until then


def _too_long(name: str, offset: int) -> BadInput:
    return BadInput(f"{name}: the record at byte {offset} is longer than 16 MiB")


def _without_cr(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _split_fields(record: bytes, delimiter: str) -> list[bytes] | None:
    """RFC 4180 fields of one record, None when malformed (2.1): for headers."""
    mark = re.escape(delimiter.encode())
    pattern = re.compile(b'(?:"((?:[^"]|"")*)"|((?!")[^' + mark + b"]*))(" + mark + b"|\\Z)")
    out, at = [], 0
    while True:
        found = pattern.match(record, at)
        if not found:
            return None
        quoted = found[1]
        out.append(quoted.replace(b'""', b'"') if quoted is not None else found[2])
        if not found[3]:
            return out
        at = found.end()


def identity(path: str) -> tuple[int, ...]:
    return s3.identity(s3.open_file(path), path) if s3.is_s3(path) else _local_identity(path)


def _local_identity(path: str) -> tuple[int, ...]:
    s = os.stat(path)
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns


def _header(path: str, stream: Stream, p: Pipeline) -> tuple[bytes, bytes, int]:
    """The header record, the bytes read after it, and their offset."""
    name = os.path.basename(path)
    data = stream.read(1 << 16)
    at = 3 if data.startswith(BOM) else 0
    ended = not data
    while True:
        end = record_end(data, at, p.delimiter) if p.multiline else data.find(b"\n", at)
        if end < 0 and not ended:
            if len(data) - at > RECORD_MAX + 2:
                raise _too_long(name, at)
            more = stream.read(1 << 20)
            ended = not more
            data += more
            continue
        following = len(data) if end < 0 else end + 1
        record = _without_cr(data[at : following if end < 0 else end])
        if len(record) > RECORD_MAX:
            raise _too_long(name, at)
        if record:
            return record, data[following:], following
        if following == len(data) and ended:
            raise BadInput(f"{name}: no header line")
        at = following


def read_header(path: str, index: int, p: Pipeline) -> Source:
    name = os.path.basename(path)
    with closing_errors(name):
        stream, before = _open(path)
        record, _, _ = _header(path, stream, p)
    fields = _split_fields(record, p.delimiter)
    try:
        names = None if fields is None else [f.decode().strip(" \t") for f in fields]
    except UnicodeDecodeError:
        names = None
    if names is None:
        raise BadInput(f"{name}: malformed header")
    where = {}
    for wanted in (*p.columns.values(), *(k for k, _ in p.keep)):
        if names.count(wanted) != 1:
            what = "named twice in the header" if wanted in names else "not in the header"
            raise BadInput(f'{name}: column "{wanted}" is {what}')
        where[wanted] = names.index(wanted)
    return Source(path, name, index, len(names), where, before)


class closing_errors:
    """Turns what reading can raise into BadInput that names the file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, e: BaseException | None, trace: object) -> None:
        if isinstance(e, OSError | EOFError | zlib.error | zstandard.ZstdError):
            raise BadInput(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e


def blocks(source: Source, p: Pipeline, size: int) -> Iterator[Block]:
    """The records after the header, in blocks of about `size` bytes."""
    with closing_errors(source.name):
        stream, now = _open(source.path)
        if now != source.identity and s3.is_s3(source.path):
            raise changed(source.name)
        _, carry, offset = _header(source.path, stream, p)
        if isinstance(stream, io.FileIO) and not p.multiline:
            yield from _lines_of(stream, source, offset, size)
            return
        ended = False
        while not ended:
            data = stream.read(size)
            ended = not data
            data = carry + data if carry else data
            cut, ends = _cut(data, p, ended)
            if len(data) - cut > RECORD_MAX + 2:
                raise _too_long(source.name, offset + cut)
            carry = data[cut:]
            if cut:
                yield Block(source, data[:cut] if carry else data, offset, ends)
            offset += cut


def _lines_of(file: io.FileIO, source: Source, at: int, size: int) -> Iterator[Block]:
    """Blocks of a plain file whose lines are records: read in place, nothing is copied."""
    fd = file.fileno()
    total = os.fstat(fd).st_size
    while at < total:
        end = min(at + size, total)
        while end < total:  # to the line's end
            more = os.pread(fd, 1 << 12, end)
            found = more.find(b"\n")
            if found >= 0 or not more:
                end += found + 1
                break
            end += len(more)
            if end - at > size + RECORD_MAX + 2:
                line = at + os.pread(fd, size, at).rfind(b"\n") + 1
                raise _too_long(source.name, line)
        data = os.pread(fd, end - at, at)
        if len(data) != end - at:
            raise changed(source.name)
        yield Block(source, data, at)
        at = end


def _cut(data: bytes, p: Pipeline, ended: bool) -> tuple[int, np.ndarray | None]:
    """Where the last whole record ends, and the record ends if lines are not records."""
    if not p.multiline or b'"' not in data:
        return (len(data) if ended else data.rfind(b"\n") + 1), None
    bytes_ = np.frombuffer(data, np.uint8)
    line_ends = np.flatnonzero(bytes_ == LF)
    ends_record = np.ones(len(line_ends), bool)
    done = -1  # the last LF of the records looked at
    with_quote = np.unique(np.searchsorted(line_ends, np.flatnonzero(bytes_ == 0x22)))
    for line in with_quote.tolist():
        start = int(line_ends[line - 1]) + 1 if line else 0
        if start <= done:
            continue
        done = record_end(data, start, p.delimiter)
        if done < 0:
            ends = line_ends[:line][ends_record[:line]]
            if not ended:
                return start, ends
            return len(data), np.append(ends, len(data))  # open to the end: one record
        ends_record[line : int(np.searchsorted(line_ends, done))] = False
    ends = line_ends[ends_record]
    if ended:
        last = int(ends[-1]) + 1 if len(ends) else 0
        return len(data), np.append(ends, len(data)) if last < len(data) else ends
    return (int(ends[-1]) + 1 if len(ends) else 0), ends
