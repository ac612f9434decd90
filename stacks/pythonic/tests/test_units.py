"""Each module against something simpler than itself: socket, datetime, the csv grammar by hand."""

import datetime as dt
import gzip
import random
import socket

import numpy as np
import polars as pl
import pytest
import zstandard

from weir_pythonic import country, fields, reading, sessions, spill, timestamps
from weir_pythonic.cleanse import events_schema
from weir_pythonic.errors import BadInput
from weir_pythonic.job import Pipeline

HEADER = b"event_id,user_id,timestamp,page_url,referrer,device,ip_address\n"


def strings(values):
    return pl.Series(values, dtype=pl.String)


def test_timestamps_by_datetime():
    rng = random.Random(1)
    texts, expected = [], []
    for _ in range(3000):
        t = dt.datetime(1900, 1, 2) + dt.timedelta(seconds=rng.randrange(361 * 365 * 86400))
        digits = rng.randrange(7)
        fraction = f".{rng.randrange(10**digits):0{digits}d}" if digits else ""
        minutes = rng.choice([None, 0, 330, -90, 1080])
        zone = rng.choice(["", "Z"])
        if minutes is not None:
            zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{rng.choice([':', ''])}{abs(minutes) % 60:02d}"
        texts.append(t.strftime(f"%Y-%m-%d{rng.choice('T ')}%H:%M:%S") + fraction + zone)
        micros = int((fraction[1:] + "000000")[:6])
        seconds = (t - timestamps.EPOCH) // dt.timedelta(seconds=1) - (minutes or 0) * 60
        expected.append(seconds * 1_000_000 + micros)
    us, ok = timestamps.parse(strings(texts), "iso8601")
    assert ok.all()
    assert us.tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567",
        "2024-01-01T00:00:00+18:01",
        "2024-01-01T00:00:00z",
        "1899-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "\uff12024-01-01T00:00:00",
    ],
)
def test_bad_timestamps(text):
    _, ok = timestamps.parse(strings([text, "2024-01-01T00:00:00Z"]), "iso8601")
    assert ok.tolist() == [False, True]


def test_shown_timestamp_is_read_back():
    us = pl.Series("us", [-1, 0, timestamps.FIRST_US, timestamps.END_US - 1])
    shown = pl.select(timestamps.show(pl.lit(us))).to_series()
    back, ok = timestamps.parse(shown, "iso8601")
    assert ok.all() and back.tolist() == us.to_list()


def test_ipv4_as_inet_pton():
    rng = random.Random(2)
    texts = [".".join(str(rng.randrange(300)) for _ in range(4)) for _ in range(2000)]
    texts += [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1..2.3",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4 ",
        "a.b.c.d",
        "::1",
    ]
    number, ok = country.parse_ipv4(strings([None, *texts]))
    assert not ok[0]
    for text, n, good in zip(texts, number[1:].tolist(), ok[1:].tolist()):
        try:
            expected = int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        except OSError:
            expected = None
        assert (n if good else None) == expected, text


def blocks_of(path, p, size):
    [source] = reading.read_headers(p, (str(path),))
    for block in reading.blocks(source, p, size):
        yield fields.parse(block, p)


ROWS = (
    b'1,u,t,"a,""b",r,d,i\r\n2,u,t,p,r,d,i\n\n3,u,t,"x"y,r,d,i\n4,u\n5,u,t,\xff,r,d,i\n6,u,t,p"q,r,d,\xc3\xa9'
)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_blocks_of_any_size_say_the_same(tmp_path, size, ending):
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[ending]
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(pack(HEADER + ROWS))
    p = Pipeline.of({})
    parsed = list(blocks_of(path, p, size))
    rows = sorted(row for x in parsed for row in x.frame.rows())
    assert [r[0] for r in rows] == ["1", "2", "6"]
    assert [r[3] for r in rows] == ['a,"b', "p", 'p"q']
    assert rows[2][6] == "é"
    assert sorted(m for x in parsed for m in x.malformed) == ['3,u,t,"x"y,r,d,i', "4,u", "5,u,t,\ufffd,r,d,i"]
    assert sum(x.records for x in parsed) == 6


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_multiline_blocks(tmp_path, size):
    path = tmp_path / "x.csv"
    path.write_bytes(HEADER + b'1,u,t,"a\n\r\n""b",r,d,i\r\n2,u,t,p,r,d,i\n3,u,t,"open\n4,u')
    parsed = list(blocks_of(path, Pipeline.of({"input": {"csv": {"multiline": True}}}), size))
    assert sorted(r[3] for x in parsed for r in x.frame.rows()) == ['a\n\r\n"b', "p"]
    assert [m for x in parsed for m in x.malformed] == ['3,u,t,"open\n4,u']
    assert sum(x.records for x in parsed) == 3


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_cut_files_are_refused(tmp_path, ending):
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}[ending]
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(pack(HEADER + ROWS)[:-9])
    with pytest.raises(BadInput, match="x.csv"):
        list(blocks_of(path, Pipeline.of({}), 1000))


def travelling(p, rows):
    names = list(events_schema(p))
    base = dict.fromkeys(names) | {"device": "d", "country": "ZZ", "source": 0}
    return pl.DataFrame([base | row for row in rows], schema=events_schema(p))


@pytest.mark.parametrize("collide", [False, True])
def test_sessions_by_loop(monkeypatch, collide):
    """Also when the hashes of all users are equal."""
    if collide:
        monkeypatch.setattr(
            pl.Series, "hash", lambda s, *_: pl.repeat(7, len(s), dtype=pl.UInt64, eager=True)
        )
    rng = random.Random(3)
    p = Pipeline.of({"sessions": {"gap_seconds": 10}})
    rows = [
        {
            "user_id": rng.choice("abcd"),
            "event_time": rng.randrange(-50, 50) * 1_000_000,
            "event_id": rng.choice("xyz"),
            "page_url": rng.choice([None, "/A", "/a"]),
        }
        for _ in range(500)
    ]
    expected, copies, kept, start, seq = [], 0, None, 0, 0
    for r in sorted(rows, key=lambda r: (r["user_id"], r["event_time"], r["event_id"], r["page_url"] or "")):
        key = (r["user_id"], r["event_time"], r["event_id"])
        if kept == key:
            copies += 1
            continue
        if kept is None or kept[0] != key[0] or key[1] - kept[1] > p.gap_us:
            start, seq = key[1], 0
        seq += 1
        kept = key
        expected.append((*key, r["page_url"], f"{key[0]}-{start // 1000}", seq))
    done = sessions.sessionize(travelling(p, rows), p, ["f.csv"])
    events = done.events.with_columns(pl.col("event_time").to_physical())
    got = events.select("user_id", "event_time", "event_id", "page_url", "session_id", "event_seq").rows()
    assert sorted(got, key=repr) == sorted(expected, key=repr)
    assert done.rejects.height == copies
    assert done.users == 4
    for day, at, count in done.days:
        assert set((events["event_time"][at : at + count] // sessions.DAY_US).to_list()) == {day}


def test_spill_returns_all_rows_and_keeps_users_together(tmp_path):
    p = Pipeline.of({})
    rows = [{"user_id": f"u{n % 50}", "event_time": n, "event_id": str(n)} for n in range(1000)]
    store = spill.Spill(tmp_path, events_schema(p), 7)
    for n in range(0, 1000, 100):
        store.add(travelling(p, rows[n : n + 100]))
    store.finish()
    frames = [store.take(n) for n in range(7)]
    assert sorted(np.concatenate([f["event_time"].to_numpy() for f in frames]).tolist()) == list(range(1000))
    users = [set(f["user_id"]) for f in frames]
    assert sum(map(len, users)) == 50
    assert not list(tmp_path.iterdir())
