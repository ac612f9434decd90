"""Makes cases/1.5.jsonl, Parquet: `PYTHONPATH=tests python -m conformance.make_parquet`. The files are pyarrow's, of the version that the
development tools pin; what must come of them was derived by hand from pipeline.md 1.5, 1.6 and docs/pipeline.md.
"""

from __future__ import annotations

import base64
import io
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conformance import cases

OUT = pathlib.Path(__file__).parent / "cases/1.5.jsonl"
TEXT = cases.DEFAULT_ROW
US = 1704164645_000000  # of 2024-01-02T03:04:05Z
MOMENT = "2024-01-02T03:04:05.000000Z"
REJECT = ["e1", "u1", MOMENT, "/p", "/r", "Desktop", "1.2.3.4", None, "input.parquet"]


def table(rows: int = 1, **columns: Any) -> pa.Table:
    """Good rows of text; `columns` replace or add: an array, a list of texts, or None: not there."""
    made = {name: pa.array([value] * rows) for name, value in TEXT.items()}
    made["event_id"] = pa.array([f"e{n + 1}" for n in range(rows)])
    made |= {
        k: v if isinstance(v, pa.Array | pa.ChunkedArray) else pa.array(v)
        for k, v in columns.items()
        if v is not None
    }
    return pa.table({k: v for k, v in made.items() if k not in columns or columns[k] is not None})


def parquet(t: pa.Table, **how: Any) -> dict[str, str]:
    out = io.BytesIO()
    pq.write_table(t, out, **{"compression": "none", "store_schema": False, "write_statistics": False, **how})
    return {"base64": base64.b64encode(out.getvalue()).decode()}


def times(kind: pa.DataType, *values: int | None) -> pa.Array:
    return pa.array(values, pa.int64()).cast(kind)


def event(
    n: int = 1, time: str = MOMENT, ms: int = US // 1000, seq: int = 1, start: str | None = None, **of: Any
) -> list:
    """An event that the file's row n becomes; `ms` and `start` are its session's first moment."""
    found = {"page_url": "/p", "referrer": "/r", "device": "desktop", "ip": "1.2.3.4", "country": "US", **of}
    return [f"e{n}", "u1", f"u1-{ms}", seq, time, start or time, *found.values()]


def ledger(events: list, rejects: list, nulled: dict[str, int] | None) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for r in rejects:
        counts[r[0]] = counts.get(r[0], 0) + 1
    return {
        "rows_in": len(events) + len(rejects),
        "rows_out": len(events),
        "rejected": counts,
        "sessions": len({e[2] for e in events}),
        "users": len({e[1] for e in events}),
        **({"nulled": nulled} if nulled is not None else {}),
    }


def case(
    name: str, content: Any, events: list, rejects: list = (), pipeline: Any = None, nulled: Any = None
) -> dict:
    inputs = content if isinstance(content, dict) and "base64" not in content else {"input.parquet": content}
    made = {"id": f"1.5-{name}", "inputs": inputs}
    if pipeline:
        made["pipeline"] = pipeline
    rejects = list(rejects)
    return made | {"events": events, "rejects": rejects, "ledger": ledger(events, rejects, nulled)}


def refused(name: str, content: Any, error: str, pipeline: Any = None) -> dict:
    inputs = content if isinstance(content, dict) and "base64" not in content else {"input.parquet": content}
    made = {"id": f"1.5-{name}", "inputs": inputs}
    return made | ({"pipeline": pipeline} if pipeline else {}) | {"error": error}


def epoch(unit: str) -> dict:
    return {"clean": {"timestamp": unit}}


def keep(kind: str) -> dict:
    return {"input": {"keep": [{"name": "x", "type": kind}]}}


def of_times() -> Iterator[dict]:
    part = "2024-01-02T03:04:05.123"
    yield case("text", parquet(table()), [event()])
    offset = "2024-01-02T05:04:05+02:00"
    yield case("text-with-offset", parquet(table(timestamp=[offset])), [event()])
    for name, kind, value, shown in (
        ("ms", pa.timestamp("ms"), US // 1000 + 123, f"{part}000Z"),
        ("us", pa.timestamp("us"), US + 123456, f"{part}456Z"),
        ("ns-floored", pa.timestamp("ns"), US * 1000 + 123456999, f"{part}456Z"),
        ("us-utc", pa.timestamp("us", "UTC"), US + 123456, f"{part}456Z"),
        ("ns-zone-is-an-instant", pa.timestamp("ns", "Europe/Berlin"), US * 1000 + 123456789, f"{part}456Z"),
    ):
        yield case(name, parquet(table(timestamp=times(kind, value))), [event(1, shown, US // 1000 + 123)])
    before = "1969-12-31T23:59:59.999999Z"
    yield case(
        "ns-floored-before-1970",
        parquet(table(timestamp=times(pa.timestamp("ns"), -1))),
        [event(1, before, -1)],
    )
    old = {"use_deprecated_int96_timestamps": True}
    nanos = times(pa.timestamp("ns"), US * 1000 + 123456999)
    yield case("int96", parquet(table(timestamp=nanos), **old), [event(1, f"{part}456Z", US // 1000 + 123)])
    yield case(
        "int96-before-1970",
        parquet(table(timestamp=times(pa.timestamp("ns"), -1)), **old),
        [event(1, before, -1)],
    )
    for unit, kind, value in (
        ("epoch_s", pa.int64(), US // 1_000_000),
        ("epoch_s", pa.int32(), US // 1_000_000),
        ("epoch_ms", pa.int64(), US // 1000),
        ("epoch_us", pa.int64(), US),
    ):
        name = f"{unit.replace('_', '-')}-{kind}"
        yield case(name, parquet(table(timestamp=times(kind, value))), [event()], pipeline=epoch(unit))
    yield case(
        "epoch-text", parquet(table(timestamp=[str(US // 1000)])), [event()], pipeline=epoch("epoch_ms")
    )
    typed = times(pa.timestamp("us"), US)
    yield case("typed-under-epoch", parquet(table(timestamp=typed)), [event()], pipeline=epoch("epoch_s"))
    yield refused("integer-without-epoch", parquet(table(timestamp=times(pa.int64(), US))), "timestamp")
    yield case(
        "text-that-is-no-time",
        parquet(table(timestamp=["yesterday"])),
        [],
        [["bad_timestamp", "e1", "u1", "yesterday", *REJECT[3:]]],
    )
    far, near = 10413792000000000, -2208988800000001  # 2300-01-01, and one microsecond before 1900
    last, first = (1 << 63) - 1, -(1 << 63)
    most = last // 1000  # ms that 64 bits hold as µs
    for name, kind, values, how in (
        ("ms", pa.timestamp("ms"), (most, most + 1, -most - 1, last, first), None),
        ("us", pa.timestamp("us"), (last, first), None),
        ("epoch-ms-int64", pa.int64(), (most, most + 1, -most - 1, last, first), epoch("epoch_ms")),
        ("epoch-s-int64", pa.int64(), (last, first), epoch("epoch_s")),
    ):
        unit = {"us": 1, "epoch-s-int64": 1_000_000}.get(name, 1000)
        shown = [str(max(first, min(v * unit, last))) for v in values]
        yield case(
            f"beyond-64-bits-{name}",
            parquet(table(len(values), timestamp=times(kind, *values))),
            [],
            [["bad_timestamp", f"e{n}", "u1", v, *REJECT[3:]] for n, v in enumerate(shown, 1)],
            pipeline=how,
        )
    yield case(
        "typed-out-of-range",
        parquet(table(2, timestamp=times(pa.timestamp("us"), far, near))),
        [],
        [["bad_timestamp", f"e{n}", "u1", str(v), *REJECT[3:]] for n, v in ((1, far), (2, near))],
    )
    yield case(
        "typed-null",
        parquet(table(timestamp=times(pa.timestamp("us"), None))),
        [],
        [["missing_timestamp", "e1", "u1", None, *REJECT[3:]]],
    )
    twice = table(2, event_id=["e1", "e1"], timestamp=times(pa.timestamp("us"), US, US))
    yield case(
        "typed-duplicate",
        parquet(twice),
        [event()],
        [["duplicate_event", *REJECT[:5], "desktop", *REJECT[6:]]],
    )


def of_files() -> Iterator[dict]:
    three = table(3, timestamp=times(pa.timestamp("us"), US, US + 1, US + 2))
    moments = [f"2024-01-02T03:04:05.00000{n}Z" for n in range(3)]
    events = [event(n + 1, moments[n], seq=n + 1, start=MOMENT) for n in range(3)]
    for name in ("snappy", "gzip", "zstd", "lz4"):
        yield case(f"codec-{name}", parquet(three, compression=name), events)
    yield case("plain", parquet(three, use_dictionary=False), events)
    yield case("pages-v2", parquet(three, data_page_version="2.0"), events)
    yield case(
        "pages-v2-zstd-plain",
        parquet(three, data_page_version="2.0", compression="zstd", use_dictionary=False),
        events,
    )
    texts = [c for c in TEXT if c != "timestamp"]
    for name, encoding in (("delta", "DELTA_BYTE_ARRAY"), ("delta-length", "DELTA_LENGTH_BYTE_ARRAY")):
        how = dict.fromkeys(texts, encoding) | {"timestamp": "DELTA_BINARY_PACKED"}
        yield case(name, parquet(three, use_dictionary=False, column_encoding=how), events)
    yield case("row-groups", parquet(three, row_group_size=1), events)
    yield case("small-pages", parquet(three, data_page_size=1, write_batch_size=1), events)
    yield case("statistics-and-schema", parquet(three, write_statistics=True, store_schema=True), events)
    yield case("no-rows", parquet(table().slice(0, 0)), [])
    mixed = table(nested=pa.array([{"a": [1], "b": "x"}]), flag=pa.array([True]))
    yield case("any-order-among-others", parquet(mixed.select(list(reversed(mixed.column_names)))), [event()])
    required = pa.schema([pa.field(name, pa.string(), nullable=False) for name in TEXT])
    yield case("required-columns", parquet(table().cast(required)), [event()])
    yield case(
        "csv-settings-do-not-apply",
        parquet(table()),
        [event()],
        pipeline={"input": {"csv": {"delimiter": ";"}}},
    )
    line = ",".join(TEXT) + "\n" + ",".join({**TEXT, "event_id": "e0"}.values()) + "\n"
    both = {"a.csv": line, "b.parquet": parquet(table(timestamp=times(pa.timestamp("us"), US + 1)))}
    yield case("beside-csv", both, [event(0), event(1, moments[1], seq=2, start=MOMENT)])
    copy = {"a.csv": line.replace("e0", "e1"), "b.parquet": parquet(table())}
    duplicate = ["duplicate_event", *REJECT[:5], "desktop", *REJECT[6:8], "b.parquet"]
    yield case("duplicate-of-csv", copy, [event()], [duplicate])


def of_texts() -> Iterator[dict]:
    yield case("text-trimmed", parquet(table(event_id=[" e1\t"], page_url=["  /p "])), [event()])
    yield case(
        "text-null-tokens",
        parquet(
            table(page_url=["NULL"], referrer=[" - "], device=[""], ip_address=pa.array([None], pa.string()))
        ),
        [event(page_url=None, referrer=None, device="unknown", ip=None, country="ZZ")],
    )
    yield case("binary-is-text", parquet(table(page_url=pa.array([b"/p"]))), [event()])
    yield case("quotes-and-line-ends", parquet(table(page_url=['"/p",\n\r'])), [event(page_url='"/p",\n\r')])
    yield case("large-strings", parquet(table(page_url=pa.array(["/p"], pa.large_string()))), [event()])
    yield case("column-of-nulls", parquet(table(referrer=pa.nulls(1))), [event(referrer=None)])
    for column, reason in (("event_id", "missing_event_id"), ("user_id", "missing_user_id")):
        without = [
            None if name == column else v
            for name, v in zip(TEXT, [*REJECT[:2], TEXT["timestamp"], *REJECT[3:7]])
        ]
        content = parquet(table(**{column: pa.array([None], pa.string())}))
        yield case(reason.replace("_", "-"), content, [], [[reason, *without, *REJECT[7:]]])
    yield case("no-address", parquet(table(ip_address=["1.2.3"])), [event(ip=None, country="ZZ")])
    yield refused("no-utf-8", parquet(table(page_url=pa.array([b"/\xff"]))), "page_url")
    yield refused("column-missing", parquet(table(referrer=None)), "referrer")
    yield refused("integer-for-text", parquet(table(page_url=pa.array([7]))), "page_url")
    yield refused("boolean-for-text", parquet(table(device=pa.array([True]))), "device")
    yield refused("list-for-text", parquet(table(device=pa.array([["a"]]))), "device")
    yield refused("struct-for-text", parquet(table(device=pa.array([{"a": "b"}]))), "device")
    yield refused(
        "date-for-time",
        parquet(table(timestamp=pa.array([19724], pa.int32()).cast(pa.date32()))),
        "timestamp",
    )
    yield refused("no-parquet", "event_id,user_id\n", "input.parquet")
    cut = base64.b64decode(parquet(table())["base64"])[:-9]
    yield refused("cut-off", {"base64": base64.b64encode(cut).decode()}, "input.parquet")


def of_kept() -> Iterator[dict]:
    def kept(name: str, kind: str, column: pa.Array, values: list, misfits: int) -> dict:
        t = table(len(values), x=column, user_id=[f"u{n + 1}" for n in range(len(values))])
        events = [
            [f"e{n + 1}", f"u{n + 1}", f"u{n + 1}-{US // 1000}", *event()[3:], v]
            for n, v in enumerate(values)
        ]
        return case(name, parquet(t), events, pipeline=keep(kind), nulled={"x": misfits})

    most = 9223372036854775807
    yield kept("keep-long", "long", pa.array([most, -most - 1, None]), [most, -most - 1, None], 0)
    yield kept("keep-long-of-8-bits", "long", pa.array([200, 0], pa.uint8()), [200, 0], 0)
    yield kept("keep-long-unsigned", "long", pa.array([7, most + 1], pa.uint64()), [7, None], 1)
    yield kept("keep-long-of-text", "long", pa.array([" +7", "x", "-"]), [7, None, None], 1)
    yield kept("keep-double", "double", pa.array([0.1, -2.5e300, None]), [0.1, -2.5e300, None], 0)
    yield kept("keep-double-of-float", "double", pa.array([1.5, 0.25], pa.float32()), [1.5, 0.25], 0)
    wild = pa.array([math.nan, math.inf, -math.inf, 1.0])
    yield kept("keep-double-nan-and-infinity", "double", wild, [None, None, None, 1.0], 3)
    yield kept("keep-double-of-integers", "double", pa.array([3, -4]), [3.0, -4.0], 0)
    yield kept("keep-double-of-text", "double", pa.array(["1.5", "1,5", "null"]), [1.5, None, None], 1)
    yield kept("keep-string", "string", pa.array([" a b ", None, "N/A"]), ["a b", None, None], 0)
    yield refused("keep-long-of-double", parquet(table(x=pa.array([1.0]))), "x", keep("long"))
    yield refused("keep-double-of-boolean", parquet(table(x=pa.array([True]))), "x", keep("double"))
    decimal = pa.array([1], pa.int64()).cast(pa.decimal128(19, 0))
    yield refused("keep-long-of-decimal", parquet(table(x=decimal)), "x", keep("long"))
    yield refused("keep-string-of-integers", parquet(table(x=pa.array([1]))), "x", keep("string"))


def of_several() -> Iterator[dict]:
    """What one file, or one row, alone does not show."""
    yield case(
        "no-rows-beside-rows",
        {"a.parquet": parquet(table().slice(0, 0)), "b.parquet": parquet(table())},
        [event()],
    )
    line = ",".join(TEXT) + "\n" + ",".join({**TEXT, "event_id": "e0"}.values()) + "\n"
    gaps = times(pa.timestamp("us"), US + 1800_000_000, US + 3600_000_001)
    yield case(
        "sessions-over-csv-and-parquet",
        {"a.csv": line, "b.parquet": parquet(table(2, timestamp=gaps))},
        [
            event(0),
            event(1, "2024-01-02T03:34:05.000000Z", seq=2, start=MOMENT),
            event(2, "2024-01-02T04:04:05.000001Z", 1704168245000),
        ],
    )
    yield case(
        "typed-time-of-a-reject",
        parquet(
            table(event_id=pa.array([None], pa.string()), timestamp=times(pa.timestamp("ms"), US // 1000))
        ),
        [],
        [["missing_event_id", None, *REJECT[1:]]],
    )
    for unit, value in (("epoch_s", 10**11), ("epoch_ms", 10**14), ("epoch_us", 10**17)):
        yield case(
            f"{unit.replace('_', '-')}-out-of-range",
            parquet(table(2, timestamp=times(pa.int64(), value, -1))),
            [
                event(
                    2,
                    *{
                        "epoch_s": ("1969-12-31T23:59:59.000000Z", -1000),
                        "epoch_ms": ("1969-12-31T23:59:59.999000Z", -1),
                        "epoch_us": ("1969-12-31T23:59:59.999999Z", -1),
                    }[unit],
                )
            ],
            [["bad_timestamp", "e1", "u1", "100000000000000000", *REJECT[3:]]],
            epoch(unit),
        )
    pages = ["/a", "/b", "/a", None, "/é"]
    rows = table(5, timestamp=times(pa.timestamp("us"), *(US + n for n in range(5))), page_url=pages)
    events = [
        event(n + 1, f"2024-01-02T03:04:05.00000{n}Z", seq=n + 1, start=MOMENT, page_url=page)
        for n, page in enumerate(pages)
    ]
    full = {"dictionary_pagesize_limit": 3, "data_page_size": 4, "write_batch_size": 2}
    deltas = dict.fromkeys((c for c in TEXT if c != "timestamp"), "DELTA_BYTE_ARRAY")
    delta = {"use_dictionary": False, "column_encoding": deltas | {"timestamp": "DELTA_BINARY_PACKED"}}
    for name, how in (("dictionary-falls-back", full), ("delta-of-v2", delta | {"data_page_version": "2.0"})):
        yield case(name, parquet(rows, **how), events)
    for name, bad in (("no-utf-8", pa.array([b"/\xff"])), ("integer", pa.array([7]))):
        both = {"good.parquet": parquet(table()), "bad.parquet": parquet(table(page_url=bad))}
        yield refused(f"{name}-names-the-file", both, "bad.parquet")
    yield refused(
        "fixed-length-for-text", parquet(table(page_url=pa.array([b"abcd"], pa.binary(4)))), "page_url"
    )
    lacking = {"input": {"keep": [{"name": "absent", "type": "long"}]}}
    yield refused("keep-missing", parquet(table()), "absent", lacking)


def lines() -> list[dict]:
    return [
        {"clause": "1.5", "title": "Parquet"},
        *of_times(),
        *of_files(),
        *of_texts(),
        *of_kept(),
        *of_several(),
    ]


def text() -> str:
    return "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines())


if __name__ == "__main__":
    OUT.write_text(text())
