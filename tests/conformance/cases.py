"""The cases of the conformance suite: input bytes and, written by hand from pipeline.md, what must come out.

Every id begins with the number of the clause it shows. Expected values were derived from the text;
test_conformance.py checks them against the slow reference as well, so that two readings must agree.

The shorthand: `row()` is one good CSV line, `event()` what it becomes, `reject()` where it goes instead;
keyword arguments change single columns.
"""

from __future__ import annotations

import datetime
import gzip
from dataclasses import dataclass, field
from typing import Any

import zstandard
from reference.pipeline_reference import COLUMNS, REASONS

HEADER = b"event_id,user_id,timestamp,page_url,referrer,device,ip_address"
DEFAULT_ROW = {
    "event_id": "e1",
    "user_id": "u1",
    "timestamp": "2024-01-02T03:04:05Z",
    "page_url": "/p",
    "referrer": "/r",
    "device": "Desktop",
    "ip_address": "1.2.3.4",
}

US = {"country": {"iso_code": "US"}}
DE = {"country": {"iso_code": "DE"}}
# The database of every case that does not bring its own.
NETWORKS = [("1.2.3.0/24", US), ("2001:db8::/32", DE)]


def us(year: int, month: int, day: int, h: int = 0, m: int = 0, s: int = 0, micros: int = 0) -> int:
    """Epoch µs, by datetime."""
    t = datetime.datetime(year, month, day, h, m, s, micros)
    return (t - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


T0 = us(2024, 1, 2, 3, 4, 5)
assert T0 == 1704164645_000000
SECOND = 1_000_000
MINUTE = 60 * SECOND


@dataclass
class Case:
    id: str
    files: dict[str, bytes]
    events: list[tuple] = field(default_factory=list)
    rejects: list[tuple] = field(default_factory=list)
    pipeline: dict | None = None
    networks: list[tuple[str, Any]] | None = None  # a database of its own
    mmdb_options: dict = field(default_factory=dict)
    nulled: dict[str, int] = field(default_factory=dict)
    sessions: int | None = None  # default: one per event
    users: int | None = None  # default: one per distinct user_id of the events
    error: str | None = None  # part of the message of exit 3

    @property
    def rows_in(self) -> int:
        return len(self.events) + len(self.rejects)

    @property
    def rejected(self) -> dict[str, int]:
        return {r: sum(row[0] == r for row in self.rejects) for r in REASONS}


CASES: list[Case] = []


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def row(**changes: str | bytes) -> bytes:
    """One line without its end; values go in as they are, unquoted."""
    values = {**DEFAULT_ROW, **{k: v for k, v in changes.items() if k in COLUMNS}}
    extra = [v for k, v in changes.items() if k not in COLUMNS]
    return b",".join(raw(v) for v in [*values.values(), *extra])


def csv(*rows: bytes, header: bytes = HEADER, end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in (header, *rows))


def event(*keep: Any, **changes: Any) -> tuple:
    """The events row of a good line; alone in its session unless session_start or session_id say else."""
    v = {
        "event_id": "e1",
        "user_id": "u1",
        "event_seq": 1,
        "event_time": T0,
        "page_url": "/p",
        "referrer": "/r",
        "device": "desktop",
        "ip_address": "1.2.3.4",
        "country": "US",
        **changes,
    }
    start = v.setdefault("session_start", v["event_time"])
    v.setdefault("session_id", f"{v['user_id']}-{start // 1000}")
    order = ("event_id", "user_id", "session_id", "event_seq", "event_time", "session_start")
    order += ("page_url", "referrer", "device", "ip_address", "country")
    assert set(v) == set(order), set(v) ^ set(order)
    return (*(v[c] for c in order), *keep)


def reject(reason: str, source: str = "input.csv", **changes: Any) -> tuple:
    """The rejects row of a line; of a malformed one only `raw` is given."""
    assert reason in REASONS
    if reason == "malformed_row":
        return (reason, *[None] * 7, changes["raw"], source)
    v = {**DEFAULT_ROW, **changes}
    if reason == "duplicate_event":
        v = {
            **DEFAULT_ROW,
            "device": "desktop",
            "timestamp": "2024-01-02T03:04:05.000000Z",
            **changes,
        }
    return (reason, *(v[c] for c in COLUMNS), None, source)


def case(id: str, data: bytes | dict[str, bytes], **rest: Any) -> None:
    files = data if isinstance(data, dict) else {"input.csv": data}
    assert all(c.id != id for c in CASES), id
    CASES.append(Case(id, files, **rest))


def good(id: str, line: bytes, expected: tuple, **rest: Any) -> None:
    """One line that becomes one event."""
    case(id, csv(line), events=[expected], **rest)


def bad(id: str, line: bytes, expected: tuple, **rest: Any) -> None:
    """One line that is rejected."""
    case(id, csv(line), rejects=[expected], **rest)


def refused(id: str, data: bytes | dict[str, bytes], error: str, **rest: Any) -> None:
    """Exit 3 before any work."""
    case(id, data, error=error, **rest)


def csv_options(**options: Any) -> dict:
    return {"input": {"csv": options}}


MULTILINE = csv_options(multiline=True)

# ---- 1.1 Columns ----------------------------------------------------------------------------------------

case(
    "1.1-any-order",
    b"ip_address,device,referrer,page_url,timestamp,user_id,event_id\n"
    b"1.2.3.4,Desktop,/r,/p,2024-01-02T03:04:05Z,u1,e1\n",
    events=[event()],
)
case(
    "1.1-named-by-pipeline-yaml",
    b"a,b,c,d,e,f,g\n" + row() + b"\n",
    events=[event()],
    pipeline={"input": {"columns": dict(zip(COLUMNS, "abcdefg", strict=True))}},
)
case(
    "1.1-some-named",
    csv(row(), header=HEADER.replace(b"user_id", b"visitor")),
    events=[event()],
    pipeline={"input": {"columns": {"user_id": "visitor"}}},
)
case("1.1-others-ignored", csv(row(x="1", y="2"), header=HEADER + b",x,y"), events=[event()])
case(
    "1.1-others-ignored-before",
    csv(b"9," + row(), header=b"x," + HEADER),
    events=[event()],
)
good("1.1-page-may-be-missing", row(page_url=""), event(page_url=None))
good("1.1-referrer-may-be-missing", row(referrer=""), event(referrer=None))

# ---- 1.2 CSV --------------------------------------------------------------------------------------------

case("1.2-bom", b"\xef\xbb\xbf" + csv(row()), events=[event()])
case("1.2-bom-quoted-header", b'\xef\xbb\xbf"event_id"' + csv(row())[8:], events=[event()])
case(
    "1.2-bom-each-file",
    {"a.csv": b"\xef\xbb\xbf" + csv(row()), "b.csv": b"\xef\xbb\xbf" + csv(row(user_id="u2"))},
    events=[event(), event(user_id="u2")],
)
good(
    "1.2-bom-later-is-data",
    b"\xef\xbb\xbf" + row(),
    event(event_id="\ufeffe1"),
)
case(
    "1.2-delimiter-semicolon",
    csv(row()).replace(b",", b";"),
    events=[event()],
    pipeline=csv_options(delimiter=";"),
)
case(
    "1.2-delimiter-tab",
    csv(row()).replace(b",", b"\t"),
    events=[event()],
    pipeline=csv_options(delimiter="\t"),
)
case(
    "1.2-delimiter-pipe-comma-is-data",
    csv(row(page_url="/a;b")).replace(b",", b"|").replace(b";", b","),
    events=[event(page_url="/a,b")],
    pipeline=csv_options(delimiter="|"),
)
case("1.2-crlf", csv(row(), end=b"\r\n"), events=[event()])
case(
    "1.2-crlf-and-lf-mixed",
    HEADER + b"\r\n" + row() + b"\n" + row(user_id="u2") + b"\r\n" + row(user_id="u3") + b"\n",
    events=[event(), event(user_id="u2"), event(user_id="u3")],
)
case("1.2-last-line-without-end", HEADER + b"\n" + row(), events=[event()])
case(
    "1.2-cr-before-end-of-file",
    HEADER + b"\n" + row(page_url="/q") + b"\r",
    events=[event(page_url="/q")],
)
case(
    "1.2-cr-before-end-of-file-after-quote",
    HEADER + b"\n" + row(ip_address='"1.2.3.4"') + b"\r",
    events=[event()],
)
good("1.2-other-cr-is-data", row(page_url="/a\rb"), event(page_url="/a\rb"))
good("1.2-cr-first-in-line-is-data", b"\r" + row(), event(event_id="\re1"))
case(
    "1.2-only-one-cr-belongs-to-the-end",
    HEADER + b"\n" + row() + b"\r\r\n",
    events=[event(ip_address=None, country="ZZ")],
)
case(
    "1.2-two-crs-before-end-of-file",
    HEADER + b"\n" + row() + b"\r\r",
    events=[event(ip_address=None, country="ZZ")],
)
good("1.2-nul-is-data", row(page_url="/a\0b"), event(page_url="/a\0b"))
good("1.2-nul-in-quotes", row(page_url='"/a\0,b"'), event(page_url="/a\0,b"))
case(
    "1.2-empty-lines-skipped",
    HEADER + b"\n\n\r\n" + row() + b"\n\n\n" + row(user_id="u2") + b"\r\n\r\n",
    events=[event(), event(user_id="u2")],
)
case("1.2-cr-alone-at-the-end-is-an-empty-line", csv(row()) + b"\r", events=[event()])
bad("1.2-line-of-spaces-counts", b"  ", reject("malformed_row", raw="  "))
bad("1.2-line-of-one-cr-more-counts", b"\r\r", reject("malformed_row", raw="\r"))
good("1.2-quoted", row(page_url='"/p"'), event())
good("1.2-quoted-delimiter", row(page_url='"/a,b"'), event(page_url="/a,b"))
good("1.2-doubled-quote", row(page_url='"/a""b"'), event(page_url='/a"b'))
good("1.2-only-doubled-quotes", row(page_url='""""""'), event(page_url='""'))
good("1.2-doubled-quote-first-and-last", row(page_url='"""a"""'), event(page_url='"a"'))
good("1.2-all-quoted", b'"' + row().replace(b",", b'","') + b'"', event())
good("1.2-quote-later-is-data", row(page_url='/a"b"'), event(page_url='/a"b"'))
good("1.2-quote-after-space-is-data", row(page_url=' "/p"'), event(page_url='"/p"'))
bad(
    "1.2-quote-after-space-does-not-quote",
    row(page_url=' "/a,b"'),
    reject("malformed_row", raw=row(page_url=' "/a,b"').decode()),
)
good("1.2-quote-after-tab-is-data", row(page_url='\t"/p"'), event(page_url='"/p"'))
good("1.2-empty-quoted", row(page_url='""'), event(page_url=None))
case("1.2-gz", {"input.csv.gz": gzip.compress(csv(row()), mtime=0)}, events=[event()])
case(
    "1.2-gz-members",
    {"input.csv.gz": gzip.compress(csv(row())[:90], mtime=0) + gzip.compress(csv(row())[90:], mtime=0)},
    events=[event()],
)
case("1.2-zst", {"input.csv.zst": zstandard.compress(csv(row()))}, events=[event()])
case(
    "1.2-zst-frames",
    {"input.csv.zst": zstandard.compress(csv(row())[:90]) + zstandard.compress(csv(row())[90:])},
    events=[event()],
)
case(
    "1.2-gz-bom-crlf",
    {"input.csv.gz": gzip.compress(b"\xef\xbb\xbf" + csv(row(), b"x", end=b"\r\n"), mtime=0)},
    events=[event()],
    rejects=[reject("malformed_row", "input.csv.gz", raw="x")],
)

# ---- 1.3 Header -----------------------------------------------------------------------------------------

case("1.3-names-trimmed", csv(row(), header=HEADER.replace(b",", b" ,\t ")), events=[event()])
case(
    "1.3-names-trimmed-in-quotes",
    csv(row(), header=HEADER.replace(b"user_id", b'" user_id\t"')),
    events=[event()],
)
case("1.3-empty-lines-before", b"\n\r\n" + csv(row()), events=[event()])
case("1.3-header-crlf-only", HEADER + b"\r\n", events=[])
case("1.3-header-only", HEADER + b"\n", events=[])
case("1.3-header-only-without-end", HEADER, events=[])
case("1.3-header-only-cr", HEADER + b"\r", events=[])
case("1.3-header-only-then-blank", HEADER + b"\n\n\r\n", events=[])
case(
    "1.3-every-file-has-its-own",
    {
        "a.csv": csv(row()),
        "b.csv": b"x,user_id,event_id,timestamp,page_url,referrer,device,ip_address\n"
        b"9,u2,e1,2024-01-02T03:04:05Z,/p,/r,Desktop,1.2.3.4\n" + row() + b"\n",
    },
    events=[event(), event(user_id="u2")],
    rejects=[reject("malformed_row", "b.csv", raw=row().decode())],
)
case("1.3-other-column-twice", csv(row(x="1", y="2"), header=HEADER + b",x,x"), events=[event()])
case("1.3-empty-name", csv(row(x="1", y="2"), header=HEADER + b",,"), events=[event()])
refused("1.3-case-sensitive", csv(row(), header=HEADER.replace(b"user_id", b"User_ID")), "user_id")
refused("1.3-missing-column", csv(row(), header=HEADER.replace(b"device", b"gadget")), "device")
refused("1.3-needed-column-twice", csv(row(x="u"), header=HEADER + b",user_id"), "user_id")
refused("1.3-needed-column-twice-after-trim", csv(row(x="u"), header=HEADER + b", user_id "), "user_id")
refused("1.3-open-quote", csv(row(x="u"), header=HEADER + b',"x'), "input.csv")
refused("1.3-text-after-quote", csv(row(x="u"), header=HEADER + b',"x"y'), "input.csv")
refused("1.3-not-utf8", csv(row(x="u"), header=HEADER + b",\xff"), "input.csv")
refused("1.3-zero-bytes", b"", "input.csv")
refused("1.3-blank-lines-only", b"\n\r\n\n", "input.csv")
refused("1.3-bom-only", b"\xef\xbb\xbf", "input.csv")
refused("1.3-bom-and-blank-lines-only", b"\xef\xbb\xbf\r\n\n", "input.csv")
refused("1.3-second-file-without-column", {"a.csv": csv(row()), "b.csv": b"x,y\n1,2\n"}, "b.csv")
refused("1.3-second-file-empty", {"a.csv": csv(row()), "b.csv": b""}, "b.csv")
refused("1.3-gz-of-nothing", {"input.csv.gz": gzip.compress(b"", mtime=0)}, "input.csv.gz")
KEEP_X = {"input": {"keep": [{"name": "x", "type": "string"}]}}
refused("1.3-missing-keep-column", csv(row()), "x", pipeline=KEEP_X)
refused("1.3-keep-column-twice", csv(row(a="1", b="2"), header=HEADER + b",x,x"), "x", pipeline=KEEP_X)
case(
    "1.3-header-over-two-lines",
    csv(row(x="1"), header=HEADER + b',"x\ny"'),
    events=[event()],
    pipeline=MULTILINE,
)
refused(
    "1.3-header-over-two-lines-not-multiline",
    csv(row(x="1"), header=HEADER + b',"x\ny"'),
    "input.csv",
)

# ---- 1.4 Line ends in quotes ----------------------------------------------------------------------------

SPLIT = row(page_url='"/a\nb"')
case(
    "1.4-false-a-line-end-ends-the-record",
    csv(SPLIT),
    rejects=[
        reject("malformed_row", raw='e1,u1,2024-01-02T03:04:05Z,"/a'),
        reject("malformed_row", raw='b",/r,Desktop,1.2.3.4'),
    ],
)
case(
    "1.4-false-open-quote-ends-with-its-line",
    csv(row(page_url='"/a'), row(user_id="u2"), row(user_id="u3", page_url='"/b"')),
    events=[event(user_id="u2"), event(user_id="u3", page_url="/b")],
    rejects=[reject("malformed_row", raw=row(page_url='"/a').decode())],
)
case("1.4-true-lf", csv(SPLIT), events=[event(page_url="/a\nb")], pipeline=MULTILINE)
case(
    "1.4-true-crlf-is-data-inside",
    csv(row(page_url='"/a\r\nb"'), row(user_id="u2"), end=b"\r\n"),
    events=[event(page_url="/a\r\nb"), event(user_id="u2")],
    pipeline=MULTILINE,
)
case(
    "1.4-true-empty-lines-inside",
    csv(row(page_url='"/a\n\n\r\n\nb"'), b"", row(user_id="u2")),
    events=[event(page_url="/a\n\n\r\n\nb"), event(user_id="u2")],
    pipeline=MULTILINE,
)
case(
    "1.4-true-doubled-quotes",
    csv(row(page_url='"/a""\n""b"'), row(user_id="u2")),
    events=[event(page_url='/a"\n"b'), event(user_id="u2")],
    pipeline=MULTILINE,
)
case(
    "1.4-true-last-field",
    csv(row(ip_address='"1.2.3.4\n"'), row(user_id="u2")),
    events=[event(ip_address=None, country="ZZ"), event(user_id="u2")],
    pipeline=MULTILINE,
)
case(
    "1.4-true-quote-in-plain-field-is-data",
    csv(row(page_url='/a"'), row(user_id="u2", page_url=' "')),
    events=[event(page_url='/a"'), event(user_id="u2", page_url='"')],
    pipeline=MULTILINE,
)
case(
    "1.4-true-after-text-after-a-quote-quotes-mean-nothing",
    csv(row(page_url='"/a"x,"'), row(user_id="u2")),
    events=[event(user_id="u2")],
    rejects=[reject("malformed_row", raw=row(page_url='"/a"x,"').decode())],
    pipeline=MULTILINE,
)
case(
    "1.4-true-cr-after-a-quote-is-text",
    csv(row(page_url='"/a"\r,"'), row(user_id="u2")),
    events=[event(user_id="u2")],
    rejects=[reject("malformed_row", raw=row(page_url='"/a"\r,"').decode())],
    pipeline=MULTILINE,
)
case(
    "1.4-true-text-after-a-quote-on-a-later-line",
    csv(row(page_url='"/a\nb"x,"'), row(user_id="u2")),
    events=[event(user_id="u2")],
    rejects=[reject("malformed_row", raw=row(page_url='"/a\nb"x,"').decode())],
    pipeline=MULTILINE,
)
case(
    "1.4-true-open-to-the-end-is-one-record",
    HEADER + b"\n" + row() + b"\n" + row(page_url='"/a') + b"\n" + row(user_id="u3"),
    events=[event()],
    rejects=[reject("malformed_row", raw=(row(page_url='"/a') + b"\n" + row(user_id="u3")).decode())],
    pipeline=MULTILINE,
)
MEBIBYTE = 1 << 20
FULL = row(page_url="*").replace(b"*", b"/" * (16 * MEBIBYTE - len(row(page_url=""))))
assert len(FULL) == 16 * MEBIBYTE
for multiline in (False, True):
    word = "true" if multiline else "false"
    case(
        f"1.4-{word}-16-mib-works",
        csv(row(user_id="u0"), FULL, row(user_id="u2")),
        events=[
            event(user_id="u0"),
            event(page_url="/" * (16 * MEBIBYTE - len(row(page_url="")))),
            event(user_id="u2"),
        ],
        pipeline=csv_options(multiline=multiline),
    )
    refused(
        f"1.4-{word}-longer-is-an-error",
        csv(row(user_id="u0"), FULL + b"xxx", row(user_id="u2")),
        "input.csv",
        pipeline=csv_options(multiline=multiline),
    )
refused(
    "1.4-true-open-quote-longer-is-an-error",
    csv(row(page_url='"'), *[row()] * (17 * MEBIBYTE // len(row()))),
    "input.csv",
    pipeline=MULTILINE,
)

# ---- 1.6 keep -------------------------------------------------------------------------------------------


def kept(id: str, kind: str, text: str, value: Any, misfit: int = 0) -> None:
    """One keep column."""
    case(
        id,
        csv(row(x=text), header=HEADER + b",x"),
        events=[event(value)],
        pipeline={"input": {"keep": [{"name": "x", "type": kind}]}},
        nulled={"x": misfit},
    )


kept("1.6-string", "string", "Abc", "Abc")
kept("1.6-string-trimmed", "string", '" a b\t"', "a b")
kept("1.6-string-null", "string", "None", None)
kept("1.6-string-empty", "string", "", None)
kept("1.6-long", "long", "7", 7)
kept("1.6-long-plus", "long", "+7", 7)
kept("1.6-long-minus", "long", "-7", -7)
kept("1.6-long-leading-zeros", "long", "007", 7)
kept("1.6-long-trimmed", "long", " 7\t", 7)
kept("1.6-long-quoted", "long", '"7"', 7)
kept("1.6-long-18-digits", "long", "999999999999999999", 999999999999999999)
kept("1.6-long-minus-18-digits", "long", "-999999999999999999", -999999999999999999)
kept("1.6-long-19-digits", "long", "1000000000000000000", None, 1)
kept("1.6-long-19-digits-of-zeros", "long", "0000000000000000001", None, 1)
kept("1.6-long-empty-not-counted", "long", "", None)
kept("1.6-long-token-not-counted", "long", "N/A", None)
kept("1.6-long-dash-is-a-token", "long", "-", None)
kept("1.6-long-plus-alone", "long", "+", None, 1)
kept("1.6-long-two-signs", "long", "+-7", None, 1)
kept("1.6-long-fraction", "long", "1.0", None, 1)
kept("1.6-long-letters", "long", "12x", None, 1)
kept("1.6-long-inner-space", "long", "1 2", None, 1)
kept("1.6-long-other-digits", "long", "\u0661", None, 1)
kept("1.6-double", "double", "1.5", 1.5)
kept("1.6-double-integer", "double", "3", 3.0)
kept("1.6-double-minus", "double", "-2.25", -2.25)
kept("1.6-double-minus-zero", "double", "-0.0", -0.0)
kept("1.6-double-e", "double", "1e5", 100000.0)
kept("1.6-double-e-plus", "double", "1.5e+3", 1500.0)
kept("1.6-double-e-minus", "double", "25e-2", 0.25)
kept("1.6-double-nearest", "double", "0.1", 0.1)
kept("1.6-double-many-digits", "double", "3.14159265358979323846264338327950288", 3.141592653589793)
kept("1.6-double-halfway", "double", "9007199254740993", 9007199254740992.0)
kept("1.6-double-smallest", "double", "5e-324", 5e-324)
kept("1.6-double-largest", "double", "1.7976931348623157e308", 1.7976931348623157e308)
kept("1.6-double-too-small-is-zero", "double", "-1e-999", -0.0)
kept("1.6-double-too-large", "double", "1e999", None, 1)
kept("1.6-double-plus", "double", "+1.5", None, 1)
kept("1.6-double-no-digits-before", "double", ".5", None, 1)
kept("1.6-double-no-digits-after", "double", "5.", None, 1)
kept("1.6-double-no-exponent", "double", "1e", None, 1)
kept("1.6-double-no-exponent-digits", "double", "1e+", None, 1)
kept("1.6-double-capital-e", "double", "1E5", None, 1)
kept("1.6-double-inf", "double", "inf", None, 1)
kept("1.6-double-nan-is-a-token", "double", "NaN", None)
kept("1.6-double-hex", "double", "0x10", None, 1)
kept("1.6-double-comma", "double", '"1,5"', None, 1)
kept("1.6-double-empty", "double", "", None)
case(
    "1.6-several-in-order",
    csv(row(c="7", b="y", a="0.5"), row(user_id="u2", c="x", b="", a="x"), header=HEADER + b",c,b,a"),
    events=[event(0.5, "y", 7), event(None, None, None, user_id="u2")],
    pipeline={
        "input": {
            "keep": [
                {"name": "a", "type": "double"},
                {"name": "b", "type": "string"},
                {"name": "c", "type": "long"},
            ]
        }
    },
    nulled={"a": 1, "b": 0, "c": 1},
)

case(
    "1.6-counted-in-duplicates-not-in-other-rejects",
    csv(
        row(x="a"),
        row(x=""),
        row(x="b"),
        row(x="c", timestamp="never"),
        row(x="d", user_id=""),
        header=HEADER + b",x",
    ),
    events=[event(None)],
    rejects=[
        reject("duplicate_event"),
        reject("duplicate_event"),
        reject("bad_timestamp", timestamp="never"),
        reject("missing_user_id", user_id=None),
    ],
    pipeline={"input": {"keep": [{"name": "x", "type": "long"}]}},
    nulled={"x": 2},
)

# ---- 1.7 strict -----------------------------------------------------------------------------------------

case(
    "1.7-not-strict-well-formed",
    csv(
        row(),
        row(user_id="u2", page_url='"/a,""b"'),
        b"",
        row(user_id="", event_id="e3"),
        end=b"\r\n",
    ),
    events=[event(), event(user_id="u2", page_url='/a,"b')],
    rejects=[reject("missing_user_id", user_id=None, event_id="e3")],
    pipeline=csv_options(strict=False),
)

# ---- 2.1 Shape ------------------------------------------------------------------------------------------


def malformed(id: str, line: str | bytes, shown: str | None = None, **rest: Any) -> None:
    """A malformed line between two good ones."""
    line = raw(line)
    case(
        id,
        csv(row(), line, row(user_id="u2")),
        events=[event(), event(user_id="u2")],
        rejects=[reject("malformed_row", raw=line.decode() if shown is None else shown)],
        **rest,
    )


malformed("2.1-too-few", "e1,u1,2024-01-02T03:04:05Z,/p,/r,Desktop")
malformed("2.1-too-many", row() + b",x")
malformed("2.1-too-many-empty", row() + b",")
malformed("2.1-one-field", "x")
malformed("2.1-open-quote", row(page_url='"/p'))
malformed("2.1-open-quote-last-field", row(ip_address='"1.2.3.4'))
malformed("2.1-open-quote-alone-in-last-field", row(ip_address='"'))
malformed("2.1-open-after-doubled-quote", row(ip_address='"1.2.3.4""'))
malformed("2.1-text-after-quote", row(page_url='"/p"x'))
malformed("2.1-space-after-quote", row(page_url='"/p" '))
malformed("2.1-quote-after-space-after-quote", row(page_url='"/p" "'))
malformed("2.1-text-after-quote-last-field", row(ip_address='"1.2.3.4"x'))
malformed("2.1-cr-after-quote", row(page_url='"/p"\r'))
malformed("2.1-nul-after-quote", row(page_url='"/p"\0'))
malformed("2.1-not-utf8", row(page_url=b"/\xff"), row(page_url="/\ufffd").decode())
malformed("2.1-lone-continuation", row(page_url=b"/\x80"), row(page_url="/\ufffd").decode())
malformed("2.1-overlong", row(page_url=b"/\xc0\x80"), row(page_url="/\ufffd").decode())
malformed("2.1-overlong-3", row(page_url=b"/\xe0\x80\xaf"), row(page_url="/\ufffd").decode())
malformed("2.1-surrogate", row(page_url=b"/\xed\xa0\x80"), row(page_url="/\ufffd").decode())
malformed("2.1-beyond-unicode", row(page_url=b"/\xf4\x90\x80\x80"), row(page_url="/\ufffd").decode())
malformed("2.1-cut-sequence", row(page_url=b"/\xe2\x82"), row(page_url="/\ufffd").decode())
malformed(
    "2.1-cut-sequence-at-the-end",
    row(ip_address=b"\xf0\x9f\x92"),
    row(ip_address="\ufffd").decode(),
)
malformed("2.1-not-utf8-in-quotes", row(page_url=b'"/\xff,"'), row(page_url='"/\ufffd,"').decode())
malformed(
    "2.1-not-utf8-between-text",
    row(page_url=b"\xffa\xfe\xffb\xc3"),
    row(page_url="\ufffda\ufffdb\ufffd").decode(),
)
case(
    "2.1-not-utf8-in-an-ignored-column",
    csv(row(x=b"\xff"), row(x="1"), header=HEADER + b",x"),
    events=[event()],
    rejects=[reject("malformed_row", raw=row(x="\ufffd").decode())],
)
malformed("2.1-before-missing-fields", ',,"')
for name, text in (
    ("2-bytes", "\u0080\u07ff"),
    ("3-bytes", "\u0800\ud7ff\ue000\uffff"),
    ("4-bytes", "\U00010000\U0010ffff"),
    ("replacement", "\ufffd\ufffd"),
):
    good(f"2.1-utf8-{name}", row(page_url=text), event(page_url=text))
good("2.1-utf8-long", row(page_url="/ж" * 300), event(page_url="/ж" * 300))
malformed(
    "2.1-not-utf8-far-in",
    row(page_url=b"/" * 300 + b"\xff"),
    row(page_url="/" * 300 + "\ufffd").decode(),
)

# ---- 2.2 Trim -------------------------------------------------------------------------------------------

good("2.2-spaces-and-tabs", row(page_url=" \t /p\t \t"), event())
good("2.2-inside-quotes", row(page_url='" \t/p \t"'), event())
good("2.2-not-in-the-middle", row(page_url="/a \tb"), event(page_url="/a \tb"))
good("2.2-no-other-space", row(page_url="\u00a0/p\u2003"), event(page_url="\u00a0/p\u2003"))
good("2.2-no-vertical-tab", row(page_url="\v/p\f"), event(page_url="\v/p\f"))
good("2.2-cr-not-trimmed", row(page_url="/p\r"), event(page_url="/p\r"))
case(
    "2.2-line-end-in-quotes-not-trimmed",
    csv(row(page_url='"\n/p\n "')),
    events=[event(page_url="\n/p\n")],
    pipeline=MULTILINE,
)
good(
    "2.2-every-field",
    row(**{k: f" {v}\t" for k, v in DEFAULT_ROW.items()}),
    event(),
)
good("2.2-user-trimmed-is-the-same-user", row(user_id=" u1 "), event())
good("2.2-only-blanks-is-null", row(page_url=" \t "), event(page_url=None))
good("2.2-long-blanks", row(page_url=" " * 100 + "/p" + " " * 100), event())

# ---- 2.3 Nulls ------------------------------------------------------------------------------------------

for token in ("null", "none", "nan", "n/a", "\\N", "-"):
    good(f"2.3-{token.replace('/', '_')}", row(page_url=token), event(page_url=None))
for token in ("NULL", "None", "NaN", "N/A", "\\n", "nOnE"):
    good(f"2.3-case-{token.replace('/', '_')}", row(page_url=token), event(page_url=None))
good("2.3-quoted", row(page_url='"null"'), event(page_url=None))
good("2.3-trimmed-first", row(page_url='" null "'), event(page_url=None))
good("2.3-empty", row(referrer=""), event(referrer=None))
good("2.3-longer-is-text", row(page_url="nulls"), event(page_url="nulls"))
good("2.3-shorter-is-text", row(page_url="nul"), event(page_url="nul"))
good("2.3-two-dashes-are-text", row(page_url="--"), event(page_url="--"))
good("2.3-nul-byte-is-text", row(page_url="null\0"), event(page_url="null\0"))
TOKENS = {"clean": {"null_tokens": ["(Empty)", "\u00c9"]}}
good("2.3-configured", row(page_url="(EMPTY)"), event(page_url=None), pipeline=TOKENS)
good(
    "2.3-configured-replace-the-default",
    row(page_url="null"),
    event(page_url="null"),
    pipeline=TOKENS,
)
good("2.3-configured-empty-stays-null", row(page_url=""), event(page_url=None), pipeline=TOKENS)
good("2.3-configured-not-ascii", row(page_url="\u00c9"), event(page_url=None), pipeline=TOKENS)
good("2.3-case-of-ascii-only", row(page_url="\u00e9"), event(page_url="\u00e9"), pipeline=TOKENS)
good("2.3-no-tokens", row(page_url="-"), event(page_url="-"), pipeline={"clean": {"null_tokens": []}})

# ---- 2.4 Required ---------------------------------------------------------------------------------------

for name in ("event_id", "user_id", "timestamp"):
    bad(f"2.4-empty-{name}", row(**{name: ""}), reject(f"missing_{name}", **{name: None}))
    bad(f"2.4-token-{name}", row(**{name: "NULL"}), reject(f"missing_{name}", **{name: None}))
bad(
    "2.4-event_id-before-user_id",
    row(event_id="", user_id="", timestamp=""),
    reject("missing_event_id", event_id=None, user_id=None, timestamp=None),
)
bad(
    "2.4-user_id-before-timestamp",
    row(user_id="-", timestamp=""),
    reject("missing_user_id", user_id=None, timestamp=None),
)
bad(
    "2.4-event_id-before-bad-timestamp",
    row(event_id="", timestamp="x"),
    reject("missing_event_id", event_id=None, timestamp="x"),
)
bad(
    "2.4-user_id-before-bad-timestamp",
    row(user_id="", timestamp="x"),
    reject("missing_user_id", user_id=None, timestamp="x"),
)

# ---- 2.5 Timestamp --------------------------------------------------------------------------------------


def time_is(id: str, text: str, expected: int, **rest: Any) -> None:
    good(f"2.5-{id}", row(timestamp=text), event(event_time=expected), **rest)


def time_bad(id: str, text: str | bytes, **rest: Any) -> None:
    bad(
        f"2.5-{id}",
        row(timestamp=text),
        reject("bad_timestamp", timestamp=raw(text).decode()),
        **rest,
    )


time_is("z", "2024-01-02T03:04:05Z", T0)
time_is("space", "2024-01-02 03:04:05Z", T0)
time_is("no-offset-is-utc", "2024-01-02T03:04:05", T0)
time_is("trimmed", " 2024-01-02 03:04:05 ", T0)
for n in range(1, 7):
    digits = "123456"[:n]
    time_is(f"fraction-{n}", f"2024-01-02T03:04:05.{digits}Z", T0 + int(digits.ljust(6, "0")))
time_is("fraction-no-offset", "2024-01-02T03:04:05.000001", T0 + 1)
time_is("fraction-and-offset", "2024-01-02T03:04:05.5+01:00", T0 + 500_000 - 3600 * SECOND)
time_is("offset-colon", "2024-01-02T05:34:05+02:30", T0)
time_is("offset-no-colon", "2024-01-02T05:34:05+0230", T0)
time_is("offset-minus", "2024-01-01T22:04:05-05:00", T0)
time_is("offset-minus-no-colon", "2024-01-01T22:04:05-0500", T0)
time_is("offset-zero", "2024-01-02T03:04:05+00:00", T0)
time_is("offset-minus-zero", "2024-01-02T03:04:05-0000", T0)
time_is("offset-18:00", "2024-01-02T21:04:05+18:00", T0)
time_is("offset-minus-18:00", "2024-01-01T09:04:05-18:00", T0)
time_is("offset-17:59", "2024-01-02T21:03:05+17:59", T0)
time_is("leap-day", "2024-02-29T00:00:00Z", us(2024, 2, 29))
time_is("leap-day-2000", "2000-02-29T00:00:00Z", us(2000, 2, 29))
time_is("last-of-december", "2023-12-31T23:59:59.999999Z", us(2024, 1, 1) - 1)
time_is("year-1900", "1900-01-01T00:00:00Z", us(1900, 1, 1))
time_is("year-2261", "2261-12-31T23:59:59.999999Z", us(2262, 1, 1) - 1)
time_is("year-as-written-before-1900", "1900-01-01T00:00:00+18:00", us(1899, 12, 31, 6))
time_is("year-as-written-after-2261", "2261-12-31T23:00:00-02:00", us(2262, 1, 1, 1))
time_is("before-1970", "1969-12-31T23:59:59.999999Z", -1)
time_is("epoch-zero", "1970-01-01T00:00:00Z", 0)
for month, last in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1):
    time_is(f"last-day-{month:02d}", f"2023-{month:02d}-{last}T00:00:00Z", us(2023, month, last))
    time_bad(f"day-after-{month:02d}", f"2023-{month:02d}-{last + 1}T00:00:00Z")
time_bad("offset-18:01", "2024-01-02T03:04:05+18:01")
time_bad("offset-minus-18:01", "2024-01-02T03:04:05-18:01")
time_bad("offset-18:30-no-colon", "2024-01-02T03:04:05+1830")
time_bad("offset-19:00", "2024-01-02T03:04:05+19:00")
time_bad("offset-minute-60", "2024-01-02T03:04:05+01:60")
time_bad("offset-minute-99", "2024-01-02T03:04:05+0199")
time_bad("offset-hours-only", "2024-01-02T03:04:05+02")
time_bad("offset-one-digit", "2024-01-02T03:04:05+2:00")
time_bad("offset-three-digits", "2024-01-02T03:04:05+230")
time_bad("offset-z-and-more", "2024-01-02T03:04:05Z+00:00")
time_bad("offset-no-sign", "2024-01-02T03:04:05 02:00")
time_bad("offset-wrong-colon", "2024-01-02T03:04:05+023:0")
time_bad("offset-seconds", "2024-01-02T03:04:05+02:00:00")
time_bad("offset-letters", "2024-01-02T03:04:05+0a:00")
time_bad("space-before-z", "2024-01-02T03:04:05 Z")
time_bad("zone-name", "2024-01-02T03:04:05 UTC")
time_bad("small-z", "2024-01-02T03:04:05z")
time_bad("small-t", "2024-01-02t03:04:05Z")
time_bad("two-spaces", "2024-01-02  03:04:05")
time_bad("tab", "2024-01-02\t03:04:05")
time_bad("date-only", "2024-01-02")
time_bad("no-seconds", "2024-01-02T03:04")
time_bad("no-seconds-z", "2024-01-02T03:04Z")
time_bad("no-separators", "20240102T030405Z")
time_bad("slashes", "2024/01/02T03:04:05Z")
time_bad("dots", "2024-01-02T03.04.05Z")
time_bad("short-month", "2024-1-02T03:04:05Z")
time_bad("short-hour", "2024-01-02T3:04:05Z")
time_bad("long-year", "02024-01-02T03:04:05Z")
time_bad("sign-before", "+2024-01-02T03:04:05Z")
time_bad("fraction-empty", "2024-01-02T03:04:05.Z")
time_bad("fraction-empty-at-end", "2024-01-02T03:04:05.")
time_bad("fraction-7", "2024-01-02T03:04:05.1234567Z")
time_bad("fraction-semicolon", "2024-01-02T03:04:05;5Z")
time_bad("fraction-letters", "2024-01-02T03:04:05.1x")
time_bad("month-00", "2024-00-02T03:04:05Z")
time_bad("month-13", "2024-13-02T03:04:05Z")
time_bad("day-00", "2024-01-00T03:04:05Z")
time_bad("no-leap-day-2023", "2023-02-29T03:04:05Z")
time_bad("no-leap-day-1900", "1900-02-29T03:04:05Z")
time_bad("no-leap-day-2100", "2100-02-29T03:04:05Z")
time_bad("hour-24", "2024-01-02T24:00:00Z")
time_bad("minute-60", "2024-01-02T03:60:05Z")
time_bad("second-60", "2024-01-02T03:04:60Z")
time_bad("second-60-leap", "2016-12-31T23:59:60Z")
time_bad("year-1899", "1899-12-31T23:59:59Z")
time_bad("year-2262", "2262-01-01T00:00:00Z")
time_bad("year-1899-though-utc-is-1900", "1899-12-31T23:00:00-02:00")
time_bad("year-0000", "0000-01-01T00:00:00Z")
time_bad("year-9999", "9999-12-31T00:00:00Z")
time_bad("minus-in-digits", "2024-01-02T03:04:-5Z")
time_bad("space-in-digits", "2024-01- 2T03:04:05Z")
time_bad("arabic-digits", "\u0662\u0660\u0662\u0664-01-02T03:04:05Z")
time_bad("fullwidth-digit", "2024-01-02T03:04:0\uff15Z")
time_bad("nul-after", "2024-01-02T03:04:05Z\0")
time_bad("trailing-text", "2024-01-02T03:04:05Zx")
time_bad("epoch-by-default", "1704164645")
time_bad("word", "yesterday")


def epoch(unit: str) -> dict:
    return {"clean": {"timestamp": f"epoch_{unit}"}}


for unit, scale in (("s", SECOND), ("ms", 1000), ("us", 1)):
    p = {"pipeline": epoch(unit)}
    time_is(f"epoch_{unit}", str(T0 // scale), T0, **p)
    time_is(f"epoch_{unit}-zero", "0", 0, **p)
    time_is(f"epoch_{unit}-plus", "+" + str(T0 // scale), T0, **p)
    time_is(f"epoch_{unit}-minus", "-1", -scale, **p)
    time_is(f"epoch_{unit}-leading-zeros", "0" * 6 + str(60 * SECOND // scale), 60 * SECOND, **p)
    time_is(f"epoch_{unit}-first", str(us(1900, 1, 1) // scale), us(1900, 1, 1), **p)
    time_bad(f"epoch_{unit}-before-first", str(us(1900, 1, 1) // scale - 1), **p)
    last = us(2262, 1, 1) // scale - 1
    time_is(f"epoch_{unit}-last", str(last), last * scale, **p)
    time_bad(f"epoch_{unit}-after-last", str(last + 1), **p)
    time_bad(f"epoch_{unit}-18-digits", "9" * 18, **p)
    time_bad(f"epoch_{unit}-minus-18-digits", "-" + "9" * 18, **p)
    time_bad(f"epoch_{unit}-19-digits", "0" * 19, **p)
    time_bad(f"epoch_{unit}-fraction", "1.0", **p)
    time_bad(f"epoch_{unit}-sign-only", "+", **p)
    time_bad(f"epoch_{unit}-two-signs", "--1", **p)
    time_bad(f"epoch_{unit}-iso", "2024-01-02T03:04:05Z", **p)
    time_bad(f"epoch_{unit}-letters", "12a", **p)
time_is("epoch_ms-18-digits-of-zeros", "0" * 18, 0, pipeline=epoch("ms"))

# ---- 2.6 device -----------------------------------------------------------------------------------------

good("2.6-lower-case", row(device="MoBiLe@Z[A"), event(device="mobile@z[a"))
good("2.6-ascii-only", row(device="\u00c4B\u0130"), event(device="\u00c4b\u0130"))
good("2.6-null", row(device=""), event(device="unknown"))
good("2.6-token", row(device="N/A"), event(device="unknown"))
good("2.6-any-text", row(device="Smart TV"), event(device="smart tv"))
good(
    "2.6-long",
    row(device="ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 20),
    event(device="abcdefghijklmnopqrstuvwxyz" * 20),
)

# ---- 2.7 ip_address -------------------------------------------------------------------------------------


def ip_kept(text: str, country: str = "ZZ") -> None:
    good(f"2.7-kept-{text}", row(ip_address=text), event(ip_address=text, country=country))


def ip_null(id: str, text: str) -> None:
    good(f"2.7-null-{id}", row(ip_address=text), event(ip_address=None, country="ZZ"))


ip_kept("1.2.3.4", "US")
ip_kept("0.0.0.0")
ip_kept("255.255.255.255")
ip_kept("::")
ip_kept("::1")
ip_kept("2001:db8::1", "DE")
ip_kept("2001:DB8:0:0::1", "DE")
ip_kept("2001:0db8:0000:0000:0000:0000:0000:0001", "DE")
ip_kept("1:2:3:4:5:6:7:8")
ip_kept("1::8")
ip_kept("1:2:3:4:5:6:7::")
ip_kept("::2:3:4:5:6:7:8")
ip_kept("::ffff:1.2.3.4", "US")
ip_kept("::FFFF:102:304", "US")
ip_kept("::1.2.3.4", "US")
ip_kept("1:2:3:4:5:6:7.8.9.10")
ip_kept("64:ff9b::192.0.2.33")
ip_null("empty", "")
ip_null("leading-zero", "1.2.3.04")
ip_null("leading-zero-first", "01.2.3.4")
ip_null("two-zeros", "1.2.3.00")
ip_null("256", "1.2.3.256")
ip_null("three-parts", "1.2.3")
ip_null("five-parts", "1.2.3.4.5")
ip_null("trailing-dot", "1.2.3.4.")
ip_null("leading-dot", ".1.2.3.4")
ip_null("empty-part", "1..3.4")
ip_null("hex", "0x1.2.3.4")
ip_null("number", "16909060")
ip_null("port", "1.2.3.4:80")
ip_null("prefix", "1.2.3.0/24")
ip_null("four-digits", "1.2.3.0004")
ip_null("inner-space", "1.2. 3.4")
ip_null("nul", "1.2.3.4\0")
ip_null("minus", "1.2.3.-4")
ip_null("arabic-digits", "1.2.3.\u0664")
ip_null("word", "localhost")
ip_null("zone", "fe80::1%eth0")
ip_null("zone-number", "fe80::1%1")
ip_null("brackets", "[::1]")
ip_null("seven-groups", "1:2:3:4:5:6:7")
ip_null("nine-groups", "1:2:3:4:5:6:7:8:9")
ip_null("eight-groups-and-gap", "1:2:3:4::5:6:7:8")
ip_null("two-gaps", "1::2::3")
ip_null("three-colons", "1:::2")
ip_null("leading-colon", ":1:2:3:4:5:6:7")
ip_null("trailing-colon", "1:2:3:4:5:6:7:")
ip_null("one-colon", ":")
ip_null("five-hex-digits", "12345::1")
ip_null("five-hex-digits-zero", "::00001")
ip_null("not-hex", "g::1")
ip_null("mapped-leading-zero", "::ffff:1.2.3.04")
ip_null("mapped-short", "::ffff:1.2.3")
ip_null("ipv4-too-early", "1:2:3:4:5:6:7:1.2.3.4")
ip_null("ipv4-in-the-middle", "::1.2.3.4:5")
DROP = {"geo": {"ip": "drop"}}
good("2.7-drop-after-the-look-up", row(), event(ip_address=None), pipeline=DROP)
bad(
    "2.7-drop-in-rejects",
    row(timestamp="x"),
    reject("bad_timestamp", timestamp="x", ip_address=None),
    pipeline=DROP,
)
case(
    "2.7-drop-in-duplicates",
    csv(row(), row()),
    events=[event(ip_address=None)],
    rejects=[reject("duplicate_event", ip_address=None)],
    pipeline=DROP,
)
good("2.7-keep", row(), event(), pipeline={"geo": {"ip": "keep"}})
bad(
    "2.7-rejects-hold-what-stood-before",
    row(timestamp="x", ip_address="1.2.3.04", device="PC"),
    reject("bad_timestamp", timestamp="x", ip_address="1.2.3.04", device="PC"),
)

# ---- 2.8 country ----------------------------------------------------------------------------------------


def country(id: str, ip: str, expected: str, networks: list, **options: Any) -> None:
    good(
        f"2.8-{id}",
        row(ip_address=ip),
        event(ip_address=ip, country=expected),
        networks=networks,
        mmdb_options=options,
    )


FLAT = {"country_code": "FR"}
REGISTERED = {"registered_country": {"iso_code": "JP"}}
country("iso_code", "1.2.3.4", "US", [("1.2.3.0/24", US)])
country("country_code", "1.2.3.4", "FR", [("1.2.3.0/24", FLAT)])
country("registered_country", "1.2.3.4", "JP", [("1.2.3.0/24", REGISTERED)])
country("iso_code-first", "1.2.3.4", "US", [("1.2.3.0/24", {**REGISTERED, **FLAT, **US})])
country("country_code-second", "1.2.3.4", "FR", [("1.2.3.0/24", {**REGISTERED, **FLAT})])
country(
    "country-without-iso_code",
    "1.2.3.4",
    "JP",
    [("1.2.3.0/24", {"country": {"names": {"en": "x"}}, **REGISTERED})],
)
country(
    "among-much-else",
    "1.2.3.4",
    "US",
    [
        (
            "1.2.3.0/24",
            {
                "city": {"names": {"en": "x" * 40}, "geoname_id": 70000},
                "location": {"latitude": 1.5, "tz": ["a", True]},
                "country": {"geoname_id": 5, "names": {"de": "\u00d6"}, "iso_code": "US"},
            },
        )
    ],
)
country("nothing-found", "9.9.9.9", "ZZ", [("1.2.3.0/24", US)])
country("record-without-country", "1.2.3.4", "ZZ", [("1.2.3.0/24", {"asn": 5}), ("5.0.0.0/8", US)])
country("narrow-in-wide", "1.2.3.4", "DE", [("1.0.0.0/8", US), ("1.2.3.0/24", DE)])
country("beside-narrow-in-wide", "1.2.4.4", "US", [("1.0.0.0/8", US), ("1.2.3.0/24", DE)])
country("first-of-network", "1.2.3.0", "US", [("1.2.3.0/24", US)])
country("last-of-network", "1.2.3.255", "US", [("1.2.3.0/24", US)])
country("after-network", "1.2.4.0", "ZZ", [("1.2.3.0/24", US)])
country("before-network", "1.2.2.255", "ZZ", [("1.2.3.0/24", US)])
country("one-address", "1.2.3.4", "US", [("1.2.3.4/32", US)])
country("beside-one-address", "1.2.3.5", "ZZ", [("1.2.3.4/32", US)])
country("everything", "200.1.1.1", "US", [("0.0.0.0/0", US)])
country("ipv6", "2001:db8:1::1", "DE", [("2001:db8::/32", DE)])
country("ipv6-last", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "DE", [("2001:db8::/32", DE)])
country("ipv6-after", "2001:db9::", "ZZ", [("2001:db8::/32", DE)])
country("ipv6-one-address", "2001:db8::1", "DE", [("2001:db8::1/128", DE)])
country("ipv6-beside-one-address", "2001:db8::2", "ZZ", [("2001:db8::1/128", DE)])
country("mapped-is-ipv4", "::ffff:1.2.3.4", "US", [("1.2.3.0/24", US)])
country(
    "mapped-is-ipv4-whatever-the-tree-holds",
    "::ffff:1.2.3.4",
    "US",
    [("1.2.3.0/24", US), ("::ffff:0:0/96", DE)],
)
country("mapped-nothing-found", "::ffff:9.9.9.9", "ZZ", [("1.2.3.0/24", US), ("::ffff:0:0/96", DE)])
country("ipv4-under-96-zeros", "::1.2.3.4", "US", [("1.2.3.0/24", US)])
country("6to4-alias", "2002:102:304::1", "US", [("1.2.3.0/24", US)], aliases=("2002::/16",))
country("6to4-alias-nothing", "2002:909:909::1", "ZZ", [("1.2.3.0/24", US)], aliases=("2002::/16",))
country("teredo-alias", "2001:0:102:304::1", "US", [("1.2.3.0/24", US)], aliases=("2001::/32",))
country("6to4-without-alias", "2002:102:304::1", "ZZ", [("1.2.3.0/24", US)])
country("mapped-with-alias", "::ffff:1.2.3.4", "US", [("1.2.3.0/24", US)], aliases=("::ffff:0:0/96",))
country("ipv4-only", "1.2.3.4", "US", [("1.2.3.0/24", US)], ip_version=4)
country("ipv4-only-ipv6-finds-nothing", "::1.2.3.4", "ZZ", [("1.2.3.0/24", US)], ip_version=4)
country("ipv4-only-ipv6-finds-nothing-else", "102:304::", "ZZ", [("1.2.3.0/24", US)], ip_version=4)
country("ipv4-only-mapped", "::ffff:1.2.3.4", "US", [("1.2.3.0/24", US)], ip_version=4)
country("record-size-28", "1.2.3.4", "US", [("1.2.3.0/24", US)], record_size=28)
country("record-size-32", "1.2.3.4", "US", [("1.2.3.0/24", US)], record_size=32)
country("ipv4-only-record-size-28", "1.2.3.4", "US", [("1.2.3.0/24", US)], record_size=28, ip_version=4)
country("ipv4-above-the-96-zeros", "1.2.3.4", "DE", [("::/64", DE), ("2001:db8::/32", US)])
country("ipv6-tree-without-ipv4", "1.2.3.4", "ZZ", [("2001:db8::/32", US)])
country("long-code", "1.2.3.4", "GB-ENG", [("1.2.3.0/24", {"country_code": "GB-ENG"})])
good("2.8-no-address", row(ip_address="-"), event(ip_address=None, country="ZZ"))
good(
    "2.8-bad-address-in-the-database-of-everything",
    row(ip_address="1.2.3"),
    event(ip_address=None, country="ZZ"),
    networks=[("0.0.0.0/0", US)],
)

# ---- 3.1 Order ------------------------------------------------------------------------------------------


def ordered(id: str, *ids: str) -> None:
    """Events of one moment stand in the order of their ids, whatever the input's order."""
    case(
        f"3.1-{id}",
        csv(*(row(event_id=i) for i in reversed(ids))),
        events=[event(event_id=i, event_seq=n) for n, i in enumerate(ids, 1)],
        sessions=1,
    )


ordered("event_id", "a", "b", "c")
ordered("bytewise-case", "B", "a")
ordered("bytewise-numbers-are-text", "10", "9")
ordered("bytewise-prefix-first", "a", "a\0", "ab", "b")
ordered("bytewise-unsigned", "a", "\u00e4", "\u20ac")
ordered("bytewise-not-utf16", "\uffff", "\U00010000")
ordered("bytewise-after-eight-bytes", "abcdefgh1", "abcdefgh2", "abcdefghi")
ordered("bytewise-after-forty-bytes", "x" * 40 + "1", "x" * 40 + "2")
case(
    "3.1-event_time-first",
    csv(
        row(event_id="a", timestamp="2024-01-02T03:04:06Z"),
        row(event_id="b", timestamp="2024-01-02T03:04:05.000001Z"),
        row(event_id="c"),
    ),
    events=[
        event(event_id="c", event_seq=1),
        event(event_id="b", event_seq=2, event_time=T0 + 1, session_start=T0),
        event(event_id="a", event_seq=3, event_time=T0 + SECOND, session_start=T0),
    ],
    sessions=1,
)
case(
    "3.1-by-value-not-by-text",
    csv(
        row(event_id="a", timestamp="2024-01-02T05:04:05+02:00"),
        row(event_id="b", timestamp="2024-01-02T04:04:04+01:00"),
    ),
    events=[
        event(event_id="b", event_seq=1, event_time=T0 - SECOND),
        event(event_id="a", event_seq=2, session_start=T0 - SECOND),
    ],
    sessions=1,
)
case(
    "3.1-before-1970",
    csv(
        row(event_id="a", timestamp="1970-01-01T00:00:01Z"),
        row(event_id="b", timestamp="1969-12-31T23:59:59Z"),
    ),
    events=[
        event(event_id="b", event_seq=1, event_time=-SECOND),
        event(event_id="a", event_seq=2, event_time=SECOND, session_start=-SECOND),
    ],
    sessions=1,
)
case(
    "3.1-per-user",
    csv(*(row(user_id=u, event_id=e) for e in "ba" for u in ("u1", "u2", "U1"))),
    events=[
        event(user_id=u, event_id=e, event_seq=n) for n, e in enumerate("ab", 1) for u in ("u1", "u2", "U1")
    ],
    sessions=3,
)


def first_stays(id: str, column: str, first: str, second: str, seen: tuple[Any, Any]) -> None:
    """Of two copies that differ in one column the first in the order stays, whichever comes first."""
    for word, lines in (("", (first, second)), ("-reversed", (second, first))):
        case(
            f"3.1-{id}{word}",
            csv(*(row(**{column: text}) for text in lines)),
            events=[event(**({"country": "ZZ"} if column == "ip_address" else {}), **{column: seen[0]})],
            rejects=[reject("duplicate_event", **{column: seen[1]})],
        )


first_stays("page_url", "page_url", "/a", "/b", ("/a", "/b"))
first_stays("page_url-nulls-first", "page_url", "", "!", (None, "!"))
first_stays(
    "page_url-after-long-prefix",
    "page_url",
    "/" * 50 + "a",
    "/" * 50 + "b",
    ("/" * 50 + "a", "/" * 50 + "b"),
)
first_stays("page_url-bytewise", "page_url", "/Z", "/a", ("/Z", "/a"))
first_stays("referrer", "referrer", "/a", "/b", ("/a", "/b"))
first_stays("referrer-nulls-first", "referrer", "null", "/b", (None, "/b"))
first_stays("device", "device", "a", "b", ("a", "b"))
first_stays("device-as-cleansed", "device", "a", "B", ("a", "b"))
first_stays("device-null-is-unknown", "device", "tv", "", ("tv", "unknown"))
first_stays("ip_address", "ip_address", "10.0.0.1", "9.0.0.1", ("10.0.0.1", "9.0.0.1"))
first_stays("ip_address-bad-is-null", "ip_address", "x", "10.0.0.1", (None, "10.0.0.1"))
case(
    "3.1-page_url-before-referrer",
    csv(row(page_url="/b", referrer="/a"), row(page_url="/a", referrer="/b")),
    events=[event(page_url="/a", referrer="/b")],
    rejects=[reject("duplicate_event", page_url="/b", referrer="/a")],
)
case(
    "3.1-referrer-before-device",
    csv(row(referrer="/b", device="a"), row(referrer="/a", device="b")),
    events=[event(referrer="/a", device="b")],
    rejects=[reject("duplicate_event", referrer="/b", device="a")],
)
case(
    "3.1-device-before-ip_address",
    csv(row(device="b", ip_address="0.0.0.0"), row(device="a")),
    events=[event(device="a")],
    rejects=[reject("duplicate_event", device="b", ip_address="0.0.0.0")],
)


def first_kept(id: str, kind: str, first: str, second: str, seen: Any, misfits: int = 0) -> None:
    """The same by keep columns, which rejects do not show."""
    for word, lines in (("", (first, second)), ("-reversed", (second, first))):
        case(
            f"3.1-keep-{id}{word}",
            csv(*(row(x=text) for text in lines), header=HEADER + b",x"),
            events=[event(seen)],
            rejects=[reject("duplicate_event")],
            pipeline={"input": {"keep": [{"name": "x", "type": kind}]}},
            nulled={"x": misfits},
        )


first_kept("string", "string", "10", "9", "10")
first_kept("string-null-first", "string", "-", "0", None)
first_kept("long-by-value", "long", "9", "10", 9)
first_kept("long-negative", "long", "-10", "-9", -10)
first_kept("long-signs", "long", "-1", "+1", -1)
first_kept("long-null-first", "long", "", "-5", None)
first_kept("double-by-value", "double", "9.5", "10", 9.5)
first_kept("double-negative", "double", "-1e3", "-1", -1000.0)
first_kept("double-signs", "double", "-0.5", "0.25", -0.5)
first_kept("double-null-first", "double", "null", "-5", None)
case(
    "3.1-keep-as-listed",
    csv(row(x="a", y="2"), row(x="b", y="1"), header=HEADER + b",x,y"),
    events=[event(1, "b")],
    rejects=[reject("duplicate_event")],
    pipeline={"input": {"keep": [{"name": "y", "type": "long"}, {"name": "x", "type": "string"}]}},
    nulled={"x": 0, "y": 0},
)
case(
    "3.1-ip_address-before-keep",
    csv(row(x="1", ip_address="9.0.0.1"), row(x="2", ip_address="10.0.0.1"), header=HEADER + b",x"),
    events=[event(2, ip_address="10.0.0.1", country="ZZ")],
    rejects=[reject("duplicate_event", ip_address="9.0.0.1")],
    pipeline={"input": {"keep": [{"name": "x", "type": "long"}]}},
    nulled={"x": 0},
)

# ---- 3.2 Duplicate --------------------------------------------------------------------------------------

case("3.2-same", csv(row(), row()), events=[event()], rejects=[reject("duplicate_event")])
case("3.2-three", csv(row(), row(), row()), events=[event()], rejects=[reject("duplicate_event")] * 2)
case(
    "3.2-many",
    csv(*[row(page_url=f"/{n:03d}") for n in range(200)]),
    events=[event(page_url="/000")],
    rejects=[reject("duplicate_event", page_url=f"/{n:03d}") for n in range(1, 200)],
)
case(
    "3.2-same-time-written-otherwise",
    csv(row(), row(timestamp="2024-01-02 05:04:05.000+0200")),
    events=[event()],
    rejects=[reject("duplicate_event")],
)
case(
    "3.2-ids-as-cleansed",
    csv(row(), row(event_id='" e1 "', user_id="u1\t")),
    events=[event()],
    rejects=[reject("duplicate_event")],
)
case(
    "3.2-other-time-is-none",
    csv(row(), row(timestamp="2024-01-02T03:04:05.000001Z")),
    events=[event(), event(event_seq=2, event_time=T0 + 1, session_start=T0)],
    sessions=1,
)
case(
    "3.2-other-id-is-none",
    csv(row(), row(event_id="E1")),
    events=[event(event_seq=2), event(event_id="E1")],
    sessions=1,
)
case("3.2-other-user-is-none", csv(row(), row(user_id="u2")), events=[event(), event(user_id="u2")])
case(
    "3.2-across-files",
    {"a.csv": csv(row(page_url="/b")), "b.csv": csv(row(page_url="/a"))},
    events=[event(page_url="/a")],
    rejects=[reject("duplicate_event", "b.csv", page_url="/b")],
)
case(
    "3.2-between-others",
    csv(
        row(event_id="a"),
        row(event_id="b"),
        row(event_id="c"),
        row(event_id="b"),
        row(event_id="a"),
    ),
    events=[event(event_id=e, event_seq=n) for n, e in enumerate("abc", 1)],
    rejects=[reject("duplicate_event", event_id="a"), reject("duplicate_event", event_id="b")],
    sessions=1,
)
case(
    "3.2-users-that-would-join-to-the-same-text",
    csv(row(user_id="ab", event_id="c"), row(user_id="a", event_id="bc")),
    events=[event(user_id="ab", event_id="c"), event(user_id="a", event_id="bc")],
)

# ---- 3.3 Session ----------------------------------------------------------------------------------------


def at(offset_us: int) -> str:
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=T0 + offset_us)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def gap(id: str, gap_us: int, same: bool, **rest: Any) -> None:
    start = T0 if same else T0 + gap_us
    case(
        f"3.3-{id}",
        csv(row(event_id="b", timestamp=at(gap_us)), row(event_id="a")),
        events=[
            event(event_id="a"),
            event(
                event_id="b",
                event_seq=2 if same else 1,
                event_time=T0 + gap_us,
                session_start=start,
            ),
        ],
        sessions=1 if same else 2,
        **rest,
    )


gap("29-59", 30 * MINUTE - 1, True)
gap("exactly-30-minutes-stays", 30 * MINUTE, True)
gap("one-microsecond-more-starts-anew", 30 * MINUTE + 1, False)
gap("a-day", 24 * 60 * MINUTE, False)
GAP_60 = {"sessions": {"gap_seconds": 60}}
gap("configured-exactly", MINUTE, True, pipeline=GAP_60)
gap("configured-more", MINUTE + 1, False, pipeline=GAP_60)
gap("configured-long", 100 * 60 * MINUTE, True, pipeline={"sessions": {"gap_seconds": 360_000}})
case(
    "3.3-gap-to-the-event-before-not-to-the-start",
    csv(*(row(event_id=f"e{n}", timestamp=at(n * 20 * MINUTE)) for n in range(5))),
    events=[
        event(event_id=f"e{n}", event_seq=n + 1, event_time=T0 + n * 20 * MINUTE, session_start=T0)
        for n in range(5)
    ],
    sessions=1,
)
case(
    "3.3-over-midnight",
    csv(row(timestamp="2024-01-02T23:50:00Z"), row(timestamp="2024-01-03T00:10:00Z", event_id="e2")),
    events=[
        event(event_time=us(2024, 1, 2, 23, 50)),
        event(
            event_id="e2",
            event_seq=2,
            event_time=us(2024, 1, 3, 0, 10),
            session_start=us(2024, 1, 2, 23, 50),
        ),
    ],
    sessions=1,
)
case(
    "3.3-each-user-apart",
    csv(
        row(),
        row(user_id="u2", timestamp=at(20 * MINUTE)),
        row(event_id="e2", timestamp=at(40 * MINUTE)),
    ),
    events=[
        event(),
        event(user_id="u2", event_time=T0 + 20 * MINUTE),
        event(event_id="e2", event_time=T0 + 40 * MINUTE),
    ],
)
case(
    "3.3-across-files",
    {"a.csv": csv(row(event_id="b", timestamp=at(MINUTE))), "b.csv": csv(row(event_id="a"))},
    events=[
        event(event_id="a"),
        event(event_id="b", event_seq=2, event_time=T0 + MINUTE, session_start=T0),
    ],
    sessions=1,
)

# ---- 3.4 session_id, event_seq --------------------------------------------------------------------------


def session(id: str, text: str, time: int, session_id: str) -> None:
    good(f"3.4-{id}", row(timestamp=text), event(event_time=time, session_id=session_id))


session("milliseconds", "2024-01-02T03:04:05.123Z", T0 + 123_000, "u1-1704164645123")
session("floor", "2024-01-02T03:04:05.123999Z", T0 + 123_999, "u1-1704164645123")
session("floor-before-1970", "1969-12-31T23:59:59.999999Z", -1, "u1--1")
session("whole-before-1970", "1969-12-31T23:59:59.999Z", -1000, "u1--1")
session("floor-further-before-1970", "1969-12-31T23:59:58.998500Z", -1_001_500, "u1--1002")
session("zero", "1970-01-01T00:00:00.000999Z", 999, "u1-0")
session("first-year", "1900-01-01T00:00:00Z", -2208988800_000000, "u1--2208988800000")
session("last-year", "2261-12-31T23:59:59.999Z", us(2262, 1, 1) - 1000, "u1-9214646399999")
good(
    "3.4-any-user",
    row(user_id='"a,-\u00e9 1"'),
    event(user_id="a,-\u00e9 1", session_id="a,-\u00e9 1-1704164645000"),
)
case(
    "3.4-seq-begins-anew",
    csv(*(row(event_id=f"e{n}", timestamp=at(t * MINUTE)) for n, t in enumerate((0, 1, 40, 41, 42)))),
    events=[
        event(
            event_id=f"e{n}",
            event_seq=seq,
            event_time=T0 + t * MINUTE,
            session_start=T0 + start * MINUTE,
            session_id=f"u1-{1704164645000 + start * 60000}",
        )
        for n, (t, seq, start) in enumerate(((0, 1, 0), (1, 2, 0), (40, 1, 40), (41, 2, 40), (42, 3, 40)))
    ],
    sessions=2,
)
case(
    "3.4-seq-leaves-out-duplicates",
    csv(
        row(event_id="a"),
        row(event_id="a"),
        row(event_id="b"),
        row(event_id="b"),
        row(event_id="c"),
    ),
    events=[event(event_id=e, event_seq=n) for n, e in enumerate("abc", 1)],
    rejects=[reject("duplicate_event", event_id="a"), reject("duplicate_event", event_id="b")],
    sessions=1,
)

# ---- 4.2 rejects ----------------------------------------------------------------------------------------

case(
    "4.2-after-2.3",
    csv(
        row(
            event_id=" x ",
            timestamp=" soon ",
            page_url="NULL",
            referrer='" a ""b"" "',
            device=" PC ",
            ip_address="?",
        )
    ),
    rejects=[
        reject(
            "bad_timestamp",
            event_id="x",
            timestamp="soon",
            page_url=None,
            referrer='a "b"',
            device="PC",
            ip_address="?",
        )
    ],
)
case(
    "4.2-duplicate-cleansed",
    csv(
        row(page_url="/b", device=" PC ", ip_address="x", timestamp="2024-01-02 04:04:05.5+0100"),
        row(page_url="/a", timestamp="2024-01-02T03:04:05.500000"),
    ),
    events=[event(page_url="/a", event_time=T0 + 500_000)],
    rejects=[
        reject(
            "duplicate_event",
            page_url="/b",
            device="pc",
            ip_address=None,
            timestamp="2024-01-02T03:04:05.500000Z",
        )
    ],
)
case(
    "4.2-duplicate-before-1970",
    csv(*[row(timestamp="1969-12-31T23:59:59.999999Z")] * 2),
    events=[event(event_time=-1)],
    rejects=[reject("duplicate_event", timestamp="1969-12-31T23:59:59.999999Z")],
)
case(
    "4.2-duplicate-utc-in-1899",
    csv(*[row(timestamp="1900-01-01T00:00:00+18:00")] * 2),
    events=[event(event_time=us(1899, 12, 31, 6))],
    rejects=[reject("duplicate_event", timestamp="1899-12-31T06:00:00.000000Z")],
)
case(
    "4.2-duplicate-of-epoch",
    csv(*[row(timestamp="1704164645")] * 2),
    events=[event()],
    rejects=[reject("duplicate_event")],
    pipeline=epoch("s"),
)
case(
    "4.2-raw-only-of-malformed",
    csv(b'x,"y"', row(timestamp="never"), row(), row()),
    events=[event()],
    rejects=[
        reject("malformed_row", raw='x,"y"'),
        reject("bad_timestamp", timestamp="never"),
        reject("duplicate_event"),
    ],
)
case(
    "4.2-raw-without-line-end",
    csv(b" a, b\t", end=b"\r\n"),
    rejects=[reject("malformed_row", raw=" a, b\t")],
)
case("4.2-raw-with-nul", csv(b"a\0b"), rejects=[reject("malformed_row", raw="a\0b")])
case(
    "4.2-raw-over-lines",
    csv(b'a,"b\r\nc"', end=b"\r\n"),
    rejects=[reject("malformed_row", raw='a,"b\r\nc"')],
    pipeline=MULTILINE,
)
case("4.2-raw-invalid-bytes", csv(b"\xff\xfe"), rejects=[reject("malformed_row", raw="\ufffd")])
case(
    "4.2-source-file",
    {
        "a.csv": csv(b"x"),
        "b c.csv": csv(b"y", row(user_id="")),
        "d.csv.gz": gzip.compress(csv(b"z"), mtime=0),
    },
    rejects=[
        reject("malformed_row", "a.csv", raw="x"),
        reject("malformed_row", "b c.csv", raw="y"),
        reject("missing_user_id", "b c.csv", user_id=None),
        reject("malformed_row", "d.csv.gz", raw="z"),
    ],
)

# ---- 5.1 The ledger -------------------------------------------------------------------------------------

case(
    "5.1-every-reason",
    csv(
        row(),
        row(),
        b"x",
        b"",
        row(event_id=""),
        row(user_id=""),
        row(timestamp=""),
        row(timestamp="x"),
        row(event_id="e2"),
    ),
    events=[event(), event(event_id="e2", event_seq=2)],
    rejects=[
        reject("duplicate_event"),
        reject("malformed_row", raw="x"),
        reject("missing_event_id", event_id=None),
        reject("missing_user_id", user_id=None),
        reject("missing_timestamp", timestamp=None),
        reject("bad_timestamp", timestamp="x"),
    ],
    sessions=1,
)
case(
    "5.1-only-rejects",
    csv(b"x", b"y", row(user_id="")),
    rejects=[
        reject("malformed_row", raw="x"),
        reject("malformed_row", raw="y"),
        reject("missing_user_id", user_id=None),
    ],
)
case(
    "5.1-records-not-lines",
    csv(row(page_url='"\n\n"'), b'"a\n\nb"', b"", b"x"),
    events=[event(page_url="\n\n")],
    rejects=[reject("malformed_row", raw='"a\n\nb"'), reject("malformed_row", raw="x")],
    pipeline=MULTILINE,
)
