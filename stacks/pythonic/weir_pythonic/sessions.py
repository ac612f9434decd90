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
    times = keys[:, TIME].copy().view(np.int64)
    users = keys[:, USER].copy()
    keys = keys[np.lexsort((times, users))]
    same = _same_as_before(keys, USER)
    checks = keys[:, ROW] >> USER_CHECK
    if (same[1:] & (checks[1:] != checks[:-1])).any():  # two users of one hash
        keys = keys[np.lexsort((keys[:, TIME].copy().view(np.int64), checks, keys[:, USER]))]
        checks = keys[:, ROW] >> USER_CHECK
        same = _same_as_before(keys, USER)
        same[1:] &= checks[1:] == checks[:-1]
    return keys, same


def _same_as_before(keys: np.ndarray, column: int) -> np.ndarray:
    same = np.zeros(len(keys), bool)
    same[1:] = keys[1:, column] == keys[:-1, column]
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
    same_time = same_user & _same_as_before(keys, TIME)
    copy = np.zeros(len(keys), bool)
    tied = _with_neighbours(same_time)
    if len(tied):
        group = np.cumsum(~same_time)[tied]
        few = keys[tied]
        few = few[np.lexsort((few[:, ID], few[:, PREFIX], group))]
        same_prefix = _same_as_before(few, PREFIX) & same_time[tied]
        same_id = same_prefix & _same_as_before(few, ID)
        undecided = _with_neighbours(same_prefix & ~same_id)
        if len(undecided):
            # All of each run of one prefix in which any two ids differ.
            run = np.cumsum(~same_prefix)
            differs = np.zeros(int(run[-1]) + 1, bool)
            differs[run[undecided]] = True
            undecided = np.flatnonzero(differs[run])
            rows = few[undecided, ROW] & WHERE_MASK
            if texts is None:
                return Sessions(undecided=rows)
            where, ids = texts
            rank = ids.gather(np.searchsorted(where, rows)).rank("dense").to_numpy()
            order = np.lexsort((rank, run[undecided]))
            few[undecided] = few[undecided[order]]
            rank = rank[order]
            same_id[undecided] = same_prefix[undecided] & np.append(False, rank[1:] == rank[:-1])
        keys[tied] = few
        copy[tied] = same_id
    return _verdicts(keys, same_user, copy, gap_us, verdicts)


def _verdicts(
    keys: np.ndarray, same_user: np.ndarray, copy: np.ndarray, gap_us: int, verdicts: Verdicts
) -> Sessions:
    kept = np.flatnonzero(~copy)
    us = keys[kept, TIME].view(np.int64)
    starts = ~same_user[kept]
    starts[1:] |= np.diff(us) > gap_us
    first = np.flatnonzero(starts)
    session = np.cumsum(starts) - 1
    number = (np.arange(1, len(us) + 1) - first[session]).astype(np.int32)
    start_us = us[first][session]
    if len(kept) != len(keys):
        of = np.cumsum(~copy) - 1  # the kept key of each
        number, start_us = number[of], start_us[of]
        several = _with_neighbours(copy)
        number[several] = -number[several]
    verdicts.put(keys[:, ROW], keys[:, TIME].view(np.int64), start_us, number)
    return Sessions(len(first), int(np.count_nonzero(~same_user)))
