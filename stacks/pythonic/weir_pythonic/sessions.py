"""Order and sessions (3) of the keys of some users."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from .keys import ID, PREFIX, ROW, TIME, USER, USER_CHECK, WHERE_MASK, Verdicts


@dataclass
class Sessions:
    sessions: int = 0
    users: int = 0
    undecided: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))


def _order(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys by user and time, and which have the user of the key before."""
    keys = _by_user_and_time(keys)
    same = _same_as_before(keys[USER])
    checks = keys[ROW] >> USER_CHECK
    if (same[1:] & (checks[1:] != checks[:-1])).any():  # two users of one hash
        keys = keys.take(np.lexsort((keys[TIME].view(np.int64), checks, keys[USER])), 1)
        same = _same_as_before(keys[USER]) & _same_as_before(keys[ROW] >> USER_CHECK)
    return keys, same


def _by_user_and_time(keys: np.ndarray) -> np.ndarray:
    """Few of them stand behind a later one of the same user: they are sorted by user, and only what is wrong then is
    sorted by time."""
    # One number of a user's first bits and the row: NumPy sorts values several times as fast as it sorts rows by them.
    count = keys.shape[1]
    row_bits = np.uint64(count.bit_length())
    packed = (keys[USER] >> row_bits << row_bits) | np.arange(count, dtype=np.uint64)
    packed.sort()
    keys = keys.take((packed & ((np.uint64(1) << row_bits) - np.uint64(1))).view(np.int64), 1)
    users, times = keys[USER], keys[TIME].view(np.int64)
    together = _same_as_before(users >> row_bits)
    wrong = np.flatnonzero(together[1:] & ((users[1:] != users[:-1]) | (times[1:] < times[:-1])))
    if len(wrong):
        run = np.cumsum(~together)
        is_wrong = np.zeros(count + 1, bool)
        is_wrong[run[wrong]] = True
        at = np.flatnonzero(is_wrong[run])
        keys[:, at] = keys[:, at[np.lexsort((times[at], users[at], run[at]))]]
    return keys


def _same_as_before(values: np.ndarray) -> np.ndarray:
    same = np.zeros(len(values), bool)
    same[1:] = values[1:] == values[:-1]
    return same


def _with_neighbours(same_as_before: np.ndarray) -> np.ndarray:
    """All of each run, its first too."""
    return np.flatnonzero(same_as_before | np.append(same_as_before[1:], False))


def sessionize(
    keys: np.ndarray, gap_us: int, verdicts: Verdicts, texts: tuple[np.ndarray, pl.Series] | None
) -> Sessions:
    """Gives each key's row its verdict. Keys of one user and time are sorted by event id; where eight bytes of it do
    not tell, nothing is done but to say which rows are `undecided`, and it is called again with them and their ids.
    """
    keys, same_user = _order(keys)
    same_time = same_user & _same_as_before(keys[TIME])
    copy = np.zeros(len(same_user), bool)
    tied = _with_neighbours(same_time)
    if len(tied):
        group = np.cumsum(~same_time)[tied]
        few = keys[:, tied]
        few = few[:, np.lexsort((few[ID], few[PREFIX], group))]
        same_prefix = _same_as_before(few[PREFIX]) & same_time[tied]
        same_id = same_prefix & _same_as_before(few[ID])
        undecided = _with_neighbours(same_prefix & ~same_id)
        if len(undecided):
            # All of each run of one prefix in which any two ids differ.
            run = np.cumsum(~same_prefix)
            differs = np.zeros(int(run[-1]) + 1, bool)
            differs[run[undecided]] = True
            undecided = np.flatnonzero(differs[run])
            rows = few[ROW, undecided] & WHERE_MASK
            if texts is None:
                return Sessions(undecided=rows)
            where, ids = texts
            rank = ids.gather(np.searchsorted(where, rows)).rank("dense").to_numpy()
            order = np.lexsort((rank, run[undecided]))
            few[:, undecided] = few[:, undecided[order]]
            rank = rank[order]
            same_id[undecided] = same_prefix[undecided] & np.append(False, rank[1:] == rank[:-1])
        keys[:, tied] = few
        copy[tied] = same_id
    return _verdicts(keys, same_user, copy, gap_us, verdicts)


def _verdicts(
    keys: np.ndarray, same_user: np.ndarray, copy: np.ndarray, gap_us: int, verdicts: Verdicts
) -> Sessions:
    kept = np.flatnonzero(~copy)
    us = keys[TIME, kept].view(np.int64)
    starts = ~same_user[kept]
    starts[1:] |= np.diff(us) > gap_us
    first = np.flatnonzero(starts)
    session = np.cumsum(starts) - 1
    number = (np.arange(1, len(us) + 1) - first[session]).astype(np.int32)
    start_us = us[first][session]
    if len(kept) != len(copy):
        of = np.cumsum(~copy) - 1  # the kept key of each
        number, start_us = number[of], start_us[of]
        several = _with_neighbours(copy)
        number[several] = -number[several]
    verdicts.put(keys[ROW], keys[TIME].view(np.int64), start_us, number)
    return Sessions(len(first), int(np.count_nonzero(~same_user)))
