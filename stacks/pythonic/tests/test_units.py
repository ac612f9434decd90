"""Each module against something simpler than itself: socket, datetime, the csv grammar by hand."""

import datetime as dt
import gzip
import json
import random
import socket

import numpy as np
import polars as pl
import pytest
import zstandard

from weir_pythonic import copies, country, fields, inputs, keys, ledger, pipeline, sessions, timestamps
from weir_pythonic.cleanse import Cleanser, _devices
from weir_pythonic.errors import BadInput
from weir_pythonic.job import Job, Pipeline

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
    texts += ["1.22.333.4444", "1.2.3.256", "1.2.3.00", "1.2.3.0", "12345678"]
    texts += ["11.22.33."]  # and nothing behind it
    number, ok = country.parse_ipv4(strings([None, *texts]))
    assert not ok[0]
    for text, n, good in zip(texts, number[1:].tolist(), ok[1:].tolist()):
        try:
            expected = int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        except OSError:
            expected = None
        assert (n if good else None) == expected, text


def blocks_of(path, p, size):
    [source] = inputs.read_headers(p, (str(path),))
    for part in inputs.parts(source, p, size, list(p.columns.values())):
        parsed = part()
        again = part(parsed.shape)  # what the first parse found out is enough for the second
        assert again.frame.equals(parsed.frame)
        assert (again.malformed, again.records) == (parsed.malformed, parsed.records)
        timeless = part(parsed.shape, timeless=True)
        assert timeless.frame.equals(parsed.frame.drop(str(source.where["timestamp"])))
        yield parsed


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


@pytest.mark.parametrize(
    "padded", [1, 50, 100]
)  # of a hundred rows: few are taken one by one, of many all are trimmed
@pytest.mark.parametrize("agent", ["x", '"a, b (c; d) e"'])
def test_blanks_are_trimmed_and_tokens_are_null(tmp_path, padded, agent):
    tokens = [
        "n/a",
        "-",
        "undefined",
        "\u212a",
    ]  # the third in too many cases to list, the last one's lower case is k
    p = Pipeline.of({"clean": {"null_tokens": tokens}})
    blank = '{},u\t, 2024-01-01T00:00:00Z,\t" N/a ",undeFINED ," Mobile"," 1.2.3.4\t",{}\n'
    plain = "{},u,2024-01-01T00:00:00Z,k,a b,-,,{}\n"
    rows = [(blank if n < padded else plain).format(n, agent) for n in range(100)]
    path = tmp_path / "x.csv"
    path.write_text(HEADER.decode().strip() + ",agent\n" + "".join(rows))
    [source] = inputs.read_headers(p, (str(path),))
    [part] = inputs.parts(source, p, 1 << 20, list(p.columns.values()))
    cleanser = Cleanser(p, None)
    judged = cleanser.judge(part(), source)
    assert judged.reasons is None and len(judged.us) == 100
    assert len(set(judged.us.tolist())) == 1
    # A quote behind a blank is text.
    trimmed = ("u", "2024-01-01T00:00:00Z", '" N/a "', None, "Mobile", "1.2.3.4")
    usual = ("u", "2024-01-01T00:00:00Z", "k", "a b", None, None)
    expected = sorted((str(n), *(trimmed if n < padded else usual)) for n in range(100))
    assert sorted(judged.frame.rows()) == expected
    assert sorted(cleanser._cleansed(part(part().shape)).rows()) == expected


def test_lower_case_is_asciis():
    devices = strings(["DeskTOP", None, "\u212a\u00c4Z", "", "desktop"])
    assert _devices(devices).to_list() == ["desktop", "unknown", "\u212a\u00c4z", "", "desktop"]
    many = strings([None, *(f"D{n}" for n in range(300))])
    assert _devices(many).to_list() == ["unknown", *(f"d{n}" for n in range(300))]


def sessions_by_loop(rows, gap_us):
    """(session's start, number, is one of several) of each row."""
    out, kept, start, number = {}, None, 0, 0
    for at in sorted(range(len(rows)), key=lambda at: rows[at]):
        user, us, event = rows[at]
        if kept != rows[at]:
            if kept is None or kept[0] != user or us - kept[1] > gap_us:
                start, number = us, 0
            number += 1
        kept = rows[at]
        out[at] = start, number, rows.count(rows[at]) > 1
    return out


@pytest.mark.parametrize("collide", [False, True])
@pytest.mark.parametrize("ids", ["xyz", ("a", "a\0", "12345678", "123456789", "123456780", "é")])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_sessions_by_loop(tmp_path, monkeypatch, collide, ids, limit):
    """Also when the hashes of all users are equal but for the few bits that check them, when the first bytes of ids are
    equal, and when keys and verdicts are kept in files."""
    if collide:
        hash_of = pl.Series.hash

        def same(s, seed=0):
            return hash_of(s, 1) if seed else pl.repeat(7, len(s), dtype=pl.UInt64, eager=True)

        monkeypatch.setattr(pl.Series, "hash", same)
        ids = ids[:1]  # ids that hash alike are held to be alike
    rng = random.Random(3)
    blocks = [
        [(rng.choice("abcd"), rng.randrange(-50, 50) * 1_000_000, rng.choice(ids)) for _ in range(100)]
        for _ in range(5)
    ]
    store = keys.KeyStore(tmp_path, 3, limit)
    for n, block in enumerate(blocks):
        users, us, events = map(list, zip(*block))
        store.add(keys.keys_of(strings(users), np.array(us), strings(events), n))
    verdicts = keys.Verdicts.make(tmp_path, [len(b) for b in blocks], limit)
    gap_us = 10_000_000
    total = users = 0
    for n in range(3):
        done = sessions.sessionize(store.read(n), gap_us, verdicts, None)
        if len(done.undecided):
            where = np.sort(done.undecided)
            texts = strings([blocks[int(w) >> 24][int(w) & 0xFFFFFF][2] for w in where.tolist()])
            done = sessions.sessionize(store.read(n), gap_us, verdicts, (where, texts))
        store.drop(n)
        total += done.sessions
        users += done.users
    rows = [row for block in blocks for row in block]
    expected = sessions_by_loop([(u, t, e.encode()) for u, t, e in rows], gap_us)
    for at in range(500):
        us, start, number = (int(column[at % 100]) for column in verdicts.of_block(at // 100))
        assert us == rows[at][1]
        assert (start, abs(number), number < 0) == expected[at], rows[at]
    assert users == 4
    assert total == len({(rows[at][0], start) for at, (start, _, _) in expected.items()})
    assert not list(tmp_path.glob("keys-*"))


def test_of_copies_the_first_by_all_columns_is_kept(tmp_path):
    p = Pipeline.of({"input": {"keep": [{"name": "n", "type": "long"}]}})
    rng = random.Random(4)
    rows = [
        {
            "event_id": rng.choice("xy"),
            "user_id": rng.choice("ab"),
            "event_time": rng.choice([-1, 5]),
            "page_url": rng.choice([None, "/A", "/a", "/\0"]),
            "keep_0": rng.choice([None, 1, -2, 10]),
        }
        for _ in range(200)
    ]
    rest = {"session_id": "s", "event_seq": 1, "session_start": 0, "device": "d", "country": "ZZ"}
    nulls = {"referrer": None, "ip_address": None}
    types = {"event_time": pl.Datetime("us", "UTC"), "session_start": pl.Datetime("us", "UTC")}
    types |= {"referrer": pl.String, "ip_address": pl.String, "keep_0": pl.Int64}
    waiting = copies.Copies(tmp_path, p, ["f.csv"], {"memory_limit": "256MiB", "threads": 1})
    for at in range(0, 200, 50):
        frame = pl.DataFrame([rest | nulls | row for row in rows[at : at + 50]], schema_overrides=types)
        waiting.add(frame, 0)

    def order(row):
        n = row["keep_0"]
        return (row["page_url"] is not None, row["page_url"] or "", n is not None, n or 0)

    first = {}
    for row in sorted(rows, key=order):
        first.setdefault((row["user_id"], row["event_time"], row["event_id"]), row)
    kept, rejects = map(pl.concat, zip(*waiting.decide()))
    kept = kept.with_columns(pl.col("event_time").to_physical())
    assert {tuple(r.items()) for r in kept.select(*rows[0]).to_dicts()} == {
        tuple(r.items()) for r in first.values()
    }
    assert rejects.height == 200 - len(first)
    assert set(rejects["timestamp"]) == {"1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00.000005Z"}
    assert set(rejects["source_file"]) == {"f.csv"}


def test_progress_is_told_ten_times_a_second_at_most(tmp_path, monkeypatch):
    job = Job.read(_job_file(tmp_path))
    now = [100.0]
    monkeypatch.setattr(ledger.time, "monotonic", lambda: now[0])
    progress = ledger.Progress(job, 2)
    for _ in range(100):  # 2.5 s
        now[0] += 0.025
        progress.add(7)
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert 20 <= len(told) <= 25
    assert {(e["event"], e["pass"]) for e in told} == {("progress", 2)}
    rows = [e["rows"] for e in told]
    assert rows == sorted(set(rows)) and rows[-1] <= 700


def _job_file(folder):
    path = folder / "job.json"
    path.write_text(
        json.dumps({"run_id": "r", "inputs": [], "catalog": {}, "events_file": str(folder / "events.jsonl")})
    )
    return str(path)


def test_sessions_of_a_block_stand_together():
    """In a day's rows, in their order of input."""
    minute = 60_000_000
    starts = np.array([5, 1, 5, 1, 1445, 5]) * minute
    times = np.array([5, 6, 7, 8, 1445, 9]) * minute
    events = pl.DataFrame({"event_time": times, "session_start": starts, "n": range(6)}).with_columns(
        pl.col("event_time", "session_start").cast(pl.Datetime("us", "UTC"))
    )
    assert [(day, rows["n"].to_list()) for day, rows in pipeline.by_day(events)] == [
        (0, [1, 3, 0, 2, 5]),
        (1, [4]),
    ]
    wide = np.array([1 << 62, -(1 << 61), 1 << 62, 0])
    assert pipeline._by_number(wide).tolist() == [1, 3, 0, 2]


def test_duckdbs_reader_counts_what_it_cannot_read(tmp_path):
    file = tmp_path / "a[1].csv"
    rows = [
        "1,u,2025-03-01T00:00:00Z,,,,",
        '"2" ,u,2025-03-01T00:00:01Z,,,,',
        "3,u",
        "4,u,2025-03-01T00:00:02Z,,,,",
    ]
    header = "event_id,user_id,timestamp,page_url,referrer,device,ip_address"
    file.write_text("\n".join([header, *rows, ""]))
    p = Pipeline.of({"input": {"csv": {"strict": False}}})
    [source] = inputs.read_headers(p, [str(file)])
    for columns in (["event_id", "user_id", "timestamp"], list(p.columns.values())):  # of both passes
        parsed = [part() for part in inputs.parts(source, p, 1 << 20, columns)]
        assert [i.strip() for part in parsed for i in part.frame["0"]] == ["1", "2", "4"]
        assert [line for part in parsed for line in part.malformed] == ["3,u"]
        assert sum(part.records for part in parsed) == 4


def _any_lines(rng: random.Random, n: int) -> list[str]:
    some = ["", "a", '"a"', '""', '"a,b"', '"a""b"', '""""', "x y"]
    lines = []
    for _ in range(rng.randint(1, 5)):
        line = ",".join(rng.choice(some) for _ in range(n + rng.choice([0, 0, 0, 1, -1])))
        if line and rng.random() < 0.3:
            at = rng.randrange(len(line))
            line = line[:at] + rng.choice('",a ') + line[at + rng.randint(0, 1) :]
        lines.append(line if rng.random() < 0.6 else "".join(rng.choices('",a', k=rng.randint(0, 8))))
    return lines


def test_lines_taken_for_records_by_their_marks_are_what_the_grammar_says():
    rng = random.Random(1)
    taken = left = 0
    for _ in range(4000):
        n = rng.choice([2, 3, 4])
        lines = _any_lines(rng, n)
        data = "\n".join(lines) + ("\n" if rng.random() < 0.5 or not lines[-1] else "")
        octets = np.frombuffer(data.encode(), np.uint8)
        if '"' not in data:
            continue
        starts = np.append(0, np.flatnonzero(octets == 10) + 1)
        ok, _ = fields._of_fields(octets, starts[starts < len(octets)], n, ",")
        good = [line.encode() for line, is_record in zip(lines, ok) if is_record and line]
        left += len(lines) - len(good)
        if good:
            taken += len(good)
            wanted = sorted(rng.sample(range(n), rng.randint(1, n)))
            slow, malformed = fields._by_grammar(good, n, wanted, ",")
            fast = fields._plain(b"".join(line + b"\n" for line in good), len(good), n, wanted, ",")
            assert not malformed and fast is not None
            assert fast.fill_null("").equals(slow)
    assert taken > 1000 and left > 1000
