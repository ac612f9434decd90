"""What the first pass keeps of each row that will be an event: a key of five numbers, by which rows are put in the
order of 3.1 as far as sessions need it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from .errors import could_not_write

# The numbers of a key, each a row of an array with a column for each key. The user is a hash; so is the id, whose first eight bytes stand before it as they sort.
USER, TIME, PREFIX, ID, ROW = range(5)
WIDTH = 5
KEY_BYTES = 8 * WIDTH
# Of ROW: sixteen more bits of the user's hash, the block's number, the row in the block.
ROW_BITS, BLOCK_BITS = np.uint64(24), np.uint64(24)
ROW_MASK = np.uint64((1 << 24) - 1)
WHERE_MASK = np.uint64((1 << 48) - 1)
USER_CHECK = np.uint64(48)


def keys_of(user: pl.Series, us: np.ndarray, event: pl.Series, block: int) -> np.ndarray:
    keys = np.empty((WIDTH, len(us)), np.uint64)
    keys[USER] = user.hash(0).to_numpy()
    keys[TIME] = us.view(np.uint64)
    keys[PREFIX] = _prefixes(event)
    keys[ID] = event.hash(0).to_numpy()
    where = np.arange(len(us), dtype=np.uint64) | (np.uint64(block) << ROW_BITS)
    keys[ROW] = where | (user.hash(1).to_numpy() >> USER_CHECK << USER_CHECK)
    return keys


def _prefixes(text: pl.Series) -> np.ndarray:
    """The first eight bytes, filled up with zeros, as a number that sorts as they do."""
    array = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    bounds = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(text) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
    bounds = bounds - bounds[0]
    lengths = np.diff(bounds)
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(text) else (0, 0)
    if shortest == longest >= 8:
        words = np.ndarray(len(text), ">u8", data, 0, (longest,))
        return words.astype(np.uint64)
    padded = np.append(data, np.zeros(8, np.uint8))
    word = np.zeros(len(text), np.uint64)
    for n in range(min(8, longest)):
        octet = np.where(lengths > n, padded[bounds[:-1] + n], 0).astype(np.uint64)
        word |= octet << np.uint64(56 - 8 * n)
    return word


class KeyStore:
    """Keys in partitions: all keys of one user are in one. They are held in memory up to a limit, then in files. `add`
    may be called by several threads."""

    def __init__(self, folder: Path, partitions: int, limit_bytes: int) -> None:
        self.folder = folder
        self.partitions = partitions
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.held: list[list[np.ndarray]] = [[] for _ in range(partitions)]
        self.locks = [threading.Lock() for _ in range(partitions)]
        self.lock = threading.Lock()
        self.spilled = False

    def _path(self, n: int) -> Path:
        return self.folder / f"keys-{n:04d}"

    def add(self, keys: np.ndarray) -> None:
        part = ((keys[USER] >> np.uint64(32)) % np.uint64(self.partitions)).astype(np.uint16)
        sorted_ = keys.take(np.argsort(part, kind="stable"), 1)
        at = 0
        for n, count in enumerate(np.bincount(part, minlength=self.partitions).tolist()):
            if count:
                with self.locks[n]:
                    self.held[n].append(sorted_[:, at : at + count])
            at += count
        with self.lock:
            self.held_bytes += keys.nbytes
            full = self.held_bytes > self.limit_bytes
            if full:
                self.held_bytes = 0
                self.spilled = True
        if full:
            self._spill()

    def _spill(self) -> None:
        for n in range(self.partitions):
            with self.locks[n]:
                chunks, self.held[n] = self.held[n], []
                try:
                    with open(self._path(n), "ab") as file:
                        for chunk in chunks:
                            file.write(np.ascontiguousarray(chunk.T).data)
                except OSError as e:
                    raise could_not_write(str(self._path(n)), e) from e

    def read(self, n: int) -> np.ndarray:
        """About in the order of input."""
        chunks = sorted(self.held[n], key=lambda chunk: int(chunk[ROW, 0] & WHERE_MASK))
        if self.spilled and self._path(n).exists():
            chunks.insert(0, np.fromfile(self._path(n), np.uint64).reshape(-1, WIDTH).T)
        return np.concatenate(chunks, 1) if chunks else np.empty((WIDTH, 0), np.uint64)

    def drop(self, n: int) -> None:
        self.held[n] = []
        self._path(n).unlink(missing_ok=True)


@dataclass
class Verdicts:
    """Of each event row in the order of input: its time, its session's start and its number in it, negative where other rows
    have the same user, time and id: which of those is kept is decided later, and it does not matter here."""

    us: np.ndarray
    start_us: np.ndarray
    number: np.ndarray
    bases: np.ndarray  # the first row of each block

    @staticmethod
    def make(folder: Path, counts: list[int], limit_bytes: int) -> Verdicts:
        bases = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))]).astype(np.int64)
        rows = int(bases[-1])
        columns = {"times": np.int64, "starts": np.int64, "numbers": np.int32}
        if rows * 20 <= limit_bytes:
            return Verdicts(*(np.empty(rows, of) for of in columns.values()), bases)
        return Verdicts(*(np.memmap(folder / c, of, "w+", shape=(rows,)) for c, of in columns.items()), bases)

    def put(self, where: np.ndarray, us: np.ndarray, start_us: np.ndarray, number: np.ndarray) -> None:
        block = ((where & WHERE_MASK) >> ROW_BITS).astype(np.intp)
        at = self.bases[block] + (where & ROW_MASK).astype(np.int64)
        self.us[at] = us
        self.start_us[at] = start_us
        self.number[at] = number

    def of_block(self, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = slice(int(self.bases[block]), int(self.bases[block + 1]))
        return np.asarray(self.us[rows]), np.asarray(self.start_us[rows]), np.asarray(self.number[rows])
