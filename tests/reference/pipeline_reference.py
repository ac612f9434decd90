"""The pipeline of pipeline.md, as plainly as it can be said: slow, byte by byte, from the text alone.

It exists to be compared with. Nothing here is shared with any stack, and no library reads the CSV, the
timestamps or the numbers; only the MMDB's tree walk (maxminddb), Parquet's encodings (pyarrow) and the address
grammar, which the text itself defines by inet_pton(3), are borrowed. Comments carry the clause numbers.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

COLUMNS = (
    "event_id",
    "user_id",
    "timestamp",
    "page_url",
    "referrer",
    "device",
    "ip_address",
)
REASONS = (
    "malformed_row",
    "missing_event_id",
    "missing_user_id",
    "missing_timestamp",
    "bad_timestamp",
    "duplicate_event",
)
EVENT_COLUMNS = (
    "event_id",
    "user_id",
    "session_id",
    "event_seq",
    "event_time",
    "session_start",
    "page_url",
    "referrer",
    "device",
    "ip_address",
    "country",
)
REJECT_COLUMNS = ("reason", *COLUMNS, "raw", "source_file")

RECORD_MAX = 16 * 1024 * 1024  # 1.4
SECOND_US = 1_000_000

LF, CR, QUOTE = 0x0A, 0x0D, 0x22


class BadInput(Exception):
    """Bad input or configuration: exit code 3, nothing written."""


@dataclass
class Config:
    """What pipeline.yaml can say, with its defaults."""

    columns: dict[str, str] = field(default_factory=lambda: {c: c for c in COLUMNS})
    delimiter: str = ","
    multiline: bool = False
    strict: bool = True
    keep: list[tuple[str, str]] = field(default_factory=list)
    null_tokens: list[str] = field(default_factory=lambda: ["null", "none", "nan", "n/a", "\\N", "-"])
    timestamp: str = "iso8601"
    geo_ip: str = "keep"
    gap_us: int = 1800 * SECOND_US

    @staticmethod
    def of(tree: dict[str, Any] | None) -> Config:
        """From the tree of pipeline.yaml."""
        c = Config()
        tree = tree or {}
        given = tree.get("input", {})
        c.columns.update(given.get("columns", {}))
        csv = given.get("csv", {})
        c.delimiter = csv.get("delimiter", c.delimiter)
        c.multiline = csv.get("multiline", c.multiline)
        c.strict = csv.get("strict", c.strict)
        c.keep = [(k["name"], k["type"]) for k in given.get("keep", [])]
        clean = tree.get("clean", {})
        c.null_tokens = clean.get("null_tokens", c.null_tokens)
        c.timestamp = clean.get("timestamp", c.timestamp)
        c.geo_ip = tree.get("geo", {}).get("ip", c.geo_ip)
        seconds = tree.get("sessions", {}).get("gap_seconds")
        if seconds is not None:
            c.gap_us = seconds * SECOND_US
        return c


@dataclass
class Result:
    events: list[tuple]  # EVENT_COLUMNS, then keep; times as epoch µs
    rejects: list[tuple]  # REJECT_COLUMNS
    rows_in: int
    rejected: dict[str, int]
    nulled: dict[str, int]
    sessions: int
    users: int

    @property
    def rows_out(self) -> int:
        return len(self.events)


# ---- 1.2–1.4: records and fields ------------------------------------------------------------------------


def decompress(name: str, data: bytes) -> bytes:
    if name.endswith(".gz"):
        try:
            return gzip.decompress(data)
        except (OSError, EOFError) as e:
            raise BadInput(f"{name}: {e}") from e
    if name.endswith(".zst"):
        import zstandard

        try:
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
            return reader.read()
        except zstandard.ZstdError as e:
            raise BadInput(f"{name}: {e}") from e
    return data


def lines(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """1.2: a line ends at LF or with the file; one CR before that belongs to the line end."""
    while at < len(data):
        lf = data.find(b"\n", at)
        end, following = (len(data), len(data)) if lf < 0 else (lf, lf + 1)
        text = data[at:end]
        if text.endswith(b"\r"):
            text = text[:-1]
        yield at, text
        at = following


def multiline_records(data: bytes, at: int, delimiter: int) -> Iterator[tuple[int, bytes]]:
    """1.4, `multiline: true`: the same, but no line ends inside quotes."""
    start = at
    state = "field start"
    while at < len(data):
        byte = data[at]
        if byte == LF and state != "quoted":
            text = data[start:at]
            yield start, text[:-1] if text.endswith(b"\r") else text
            start = at + 1
            state = "field start"
        elif state == "field start":
            if byte == QUOTE:
                state = "quoted"
            elif byte != delimiter:
                state = "plain"
        elif state == "plain":
            if byte == delimiter:
                state = "field start"
        elif state == "quoted":
            if byte == QUOTE:
                state = "closed"
        elif state == "closed":
            if byte == QUOTE:
                state = "quoted"  # it was the first of a doubled quote
            elif byte == delimiter:
                state = "field start"
            elif byte == CR and (at + 1 == len(data) or data[at + 1] == LF):
                pass  # part of the line end
            else:
                state = "text after quote"  # quotes mean nothing until the next line end
        at += 1
    if start < len(data):
        text = data[start:]
        yield start, text[:-1] if text.endswith(b"\r") else text


def records(name: str, data: bytes, config: Config) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of every record, header included, lines of zero bytes passed over."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    if config.multiline:
        found = multiline_records(data, start, ord(config.delimiter))
    else:
        found = lines(data, start)
    for offset, text in found:
        if len(text) > RECORD_MAX:
            raise BadInput(f"{name}: record at byte {offset} is longer than 16 MiB")
        if text:
            yield offset, text


def fields_of(record: bytes, delimiter: int) -> list[bytes] | None:
    """RFC 4180 fields, unquoted; None when a quote stays open or text follows a closing one (2.1)."""
    out: list[bytes] = []
    at = 0
    while True:
        value = bytearray()
        if at < len(record) and record[at] == QUOTE:
            at += 1
            while True:
                if at == len(record):
                    return None  # left open
                if record[at] != QUOTE:
                    value.append(record[at])
                    at += 1
                elif at + 1 < len(record) and record[at + 1] == QUOTE:
                    value.append(QUOTE)
                    at += 2
                else:
                    at += 1
                    break
            if at < len(record) and record[at] != delimiter:
                return None  # text after a closing quote
        else:
            while at < len(record) and record[at] != delimiter:
                value.append(record[at])
                at += 1
        out.append(bytes(value))
        if at == len(record):
            return out
        at += 1  # the delimiter


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True


def read_header(name: str, record: bytes, config: Config) -> tuple[int, dict[str, int]]:
    """1.3: the number of fields and where each needed column stands."""
    names = fields_of(record, ord(config.delimiter))
    if names is None or not is_utf8(record):
        raise BadInput(f"{name}: malformed header")
    trimmed = [n.strip(b" \t").decode() for n in names]
    where = {}
    for wanted in [*config.columns.values(), *(k for k, _ in config.keep)]:
        if trimmed.count(wanted) == 0:
            raise BadInput(f"{name}: no column {wanted}")
        if trimmed.count(wanted) > 1:
            raise BadInput(f"{name}: column {wanted} named twice")
        where[wanted] = trimmed.index(wanted)
    return len(names), where


# ---- 1.5: Parquet -----------------------------------------------------------------------------------------


class Micros(int):
    """A timestamp that was no text: epoch µs."""


def typed_time(value: Any, kind: Any, config: Config) -> Any:
    """Text stays text; all else becomes epoch µs, floored, or the last that 64 bits hold."""
    import pyarrow as pa

    if value is None or isinstance(value, str):
        return value
    if pa.types.is_timestamp(kind):
        unit = {"s": SECOND_US, "ms": 1000, "us": 1}.get(kind.unit)
        us = value * unit if unit else value // 1000
    else:
        us = value * {"epoch_s": SECOND_US, "epoch_ms": 1000, "epoch_us": 1}[config.timestamp]
    return Micros(max(-(1 << 63), min(us, (1 << 63) - 1)))


def parquet_column(name: str, table: Any, wanted: str, kind: str, config: Config) -> list[Any]:
    """The column's values as str, int, float, Micros or None; BadInput when its type will not do for `kind`."""
    import pyarrow as pa

    if table.column_names.count(wanted) != 1:
        raise BadInput(f"{name}: no column {wanted}, or twice")
    column = table[wanted]
    found = column.type
    text = pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_binary(found)
    whole = pa.types.is_integer(found)
    fits = text or pa.types.is_null(found)
    fits = fits or (kind == "long" and whole) or (kind == "double" and (whole or pa.types.is_floating(found)))
    if kind == "timestamp":
        fits = fits or pa.types.is_timestamp(found) or (whole and config.timestamp != "iso8601")
    if not fits:
        raise BadInput(f"{name}: column {wanted} is {found}")
    if pa.types.is_timestamp(found):
        column = column.cast(pa.int64())
    values = column.to_pylist()
    if pa.types.is_binary(found):
        try:
            values = [None if v is None else v.decode("utf-8", "strict") for v in values]
        except UnicodeDecodeError as e:
            raise BadInput(f"{name}: column {wanted} is not UTF-8") from e
    return [typed_time(v, found, config) for v in values] if kind == "timestamp" else values


def parquet_rows(name: str, data: bytes, config: Config) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Of every row: the seven columns, and those to keep."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except pa.ArrowException as e:
        raise BadInput(f"{name}: {e}") from e
    seven = [
        parquet_column(name, table, config.columns[c], "timestamp" if c == "timestamp" else "string", config)
        for c in COLUMNS
    ]
    kept = [parquet_column(name, table, column, kind, config) for column, kind in config.keep]
    for i in range(table.num_rows):
        yield {c: values[i] for c, values in zip(COLUMNS, seven, strict=True)}, [v[i] for v in kept]


# ---- 2: cleansing ---------------------------------------------------------------------------------------


def ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def to_null(value: bytes, config: Config) -> str | None:
    """2.2, 2.3."""
    text = value.strip(b" \t").decode()
    if text == "" or ascii_lower(text) in [ascii_lower(t) for t in config.null_tokens]:
        return None
    return text


def cleansed(value: Any, config: Config) -> Any:
    """2.2 and 2.3, of texts; typed values of Parquet stay as they are."""
    if isinstance(value, str):
        value = value.encode()
    return to_null(value, config) if isinstance(value, bytes) else value


def all_digits(text: str) -> bool:
    return text != "" and all("0" <= c <= "9" for c in text)


def days_in_month(year: int, month: int) -> int:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in (4, 6, 9, 11) else 31


def days_since_1970(year: int, month: int, day: int) -> int:
    """Counted year by year and month by month."""
    days = 0
    for y in range(1970, year):
        days += 366 if days_in_month(y, 2) == 29 else 365
    for y in range(year, 1970):
        days -= 366 if days_in_month(y, 2) == 29 else 365
    for m in range(1, month):
        days += days_in_month(year, m)
    return days + day - 1


FIRST_US = days_since_1970(1900, 1, 1) * 86400 * SECOND_US
END_US = days_since_1970(2262, 1, 1) * 86400 * SECOND_US


def parse_iso8601(t: str) -> int | None:
    """2.5; epoch µs, None when bad."""
    # YYYY-MM-DD?HH:MM:SS is 19 characters
    if len(t) < 19:
        return None
    year, month, day = t[0:4], t[5:7], t[8:10]
    hour, minute, second = t[11:13], t[14:16], t[17:19]
    if not all(all_digits(x) for x in (year, month, day, hour, minute, second)):
        return None
    if t[4] != "-" or t[7] != "-" or t[10] not in "T " or t[13] != ":" or t[16] != ":":
        return None
    rest = t[19:]
    micros = 0
    if rest.startswith("."):
        digits = ""
        rest = rest[1:]
        while rest and "0" <= rest[0] <= "9":
            digits += rest[0]
            rest = rest[1:]
        if not 1 <= len(digits) <= 6:
            return None
        micros = int((digits + "000000")[:6])
    offset_minutes = 0
    if rest not in ("", "Z"):
        if rest[0] not in "+-":
            return None
        if len(rest) == 6 and rest[3] == ":":
            oh, om = rest[1:3], rest[4:6]
        elif len(rest) == 5:
            oh, om = rest[1:3], rest[3:5]
        else:
            return None
        if not (all_digits(oh) and all_digits(om)):
            return None
        offset_minutes = int(oh) * 60 + int(om)
        if int(om) > 59 or offset_minutes > 18 * 60:
            return None
        if rest[0] == "-":
            offset_minutes = -offset_minutes
    if not 1900 <= int(year) <= 2261 or not 1 <= int(month) <= 12:
        return None
    if not 1 <= int(day) <= days_in_month(int(year), int(month)):
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return None
    days = days_since_1970(int(year), int(month), int(day))
    seconds = days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second)
    return (seconds - offset_minutes * 60) * SECOND_US + micros


def parse_epoch(t: str, unit_us: int) -> int | None:
    digits = t[1:] if t[0] in "+-" else t
    if not all_digits(digits) or len(digits) > 18:
        return None
    us = int(t) * unit_us
    return us if FIRST_US <= us < END_US else None


def parse_timestamp(t: str, form: str) -> int | None:
    if form == "epoch_s":
        return parse_epoch(t, SECOND_US)
    if form == "epoch_ms":
        return parse_epoch(t, 1000)
    if form == "epoch_us":
        return parse_epoch(t, 1)
    return parse_iso8601(t)


def print_timestamp(us: int) -> str:
    """YYYY-MM-DDTHH:MM:SS.ffffffZ (4.2)."""
    day, in_day = divmod(us, 86400 * SECOND_US)
    year = 1970
    while day < 0:
        year -= 1
        day += 366 if days_in_month(year, 2) == 29 else 365
    while day >= (length := 366 if days_in_month(year, 2) == 29 else 365):
        day -= length
        year += 1
    month = 1
    while day >= days_in_month(year, month):
        day -= days_in_month(year, month)
        month += 1
    seconds, micros = divmod(in_day, SECOND_US)
    h, m, s = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{year:04d}-{month:02d}-{day + 1:02d}T{h:02d}:{m:02d}:{s:02d}.{micros:06d}Z"


def valid_ip(text: str) -> bool:
    """2.7; leading zeros and zones are not for inet_pton(3) either."""
    if not text.isascii() or "\0" in text:
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
            return True
        except OSError:
            pass
    return False


class Geo:
    """2.8 over one database."""

    def __init__(self, path: str) -> None:
        import maxminddb

        try:
            # The pure-Python reader: independent of the C library that stacks use.
            self.db = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
        except Exception as e:
            raise BadInput(f"{path}: {e}") from e
        self.ipv6 = self.db.metadata().ip_version == 6

    def country(self, ip: str | None) -> str:
        if ip is None:
            return "ZZ"
        if ":" in ip:
            packed = socket.inet_pton(socket.AF_INET6, ip)
            if packed[:12] == bytes(10) + b"\xff\xff":  # IPv4-mapped: as IPv4
                ip = socket.inet_ntop(socket.AF_INET, packed[12:])
            elif not self.ipv6:
                return "ZZ"
        record = self.db.get(ip)
        for path in (
            ("country", "iso_code"),
            ("country_code",),
            ("registered_country", "iso_code"),
        ):
            value: Any = record
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, str):
                return value
        return "ZZ"


def keep_value(text: Any, kind: str) -> tuple[Any, bool]:
    """1.6: the value, and whether it did not fit; numbers come from Parquet."""
    if text is None or kind == "string":
        return text, False
    if isinstance(text, int | float):
        fits = -(2**63) <= text < 2**63 if kind == "long" else math.isfinite(text)
        return (None, True) if not fits else (text if kind == "long" else float(text), False)
    if kind == "long":
        digits = text[1:] if text[0] in "+-" else text
        if all_digits(digits) and len(digits) <= 18:
            return int(text), False
        return None, True
    rest = text.removeprefix("-")
    mantissa, e, exponent = rest.partition("e")
    whole, dot, fraction = mantissa.partition(".")
    fits = all_digits(whole) and (not dot or all_digits(fraction))
    if e:
        fits = fits and all_digits(exponent[1:] if exponent[:1] in ("+", "-") else exponent)
    value = float(text) if fits else math.inf
    return (None, True) if math.isinf(value) else (value, False)  # 1e999 is no double


# ---- 3: sessions ----------------------------------------------------------------------------------------


def order_part(value: Any) -> tuple:
    """Nulls first, strings bytewise, numbers by value (3.1)."""
    if value is None:
        return (0,)
    return (1, value.encode()) if isinstance(value, str) else (1, value)


def floor_ms(us: int) -> int:
    return us // 1000  # Python's // floors


@dataclass
class Event:
    values: dict[str, Any]  # cleansed; "timestamp" is absent
    time: int
    keep: list[Any]
    source: str

    def order(self) -> tuple:
        v = self.values
        rest = ("event_id", "page_url", "referrer", "device", "ip_address")
        return (
            self.time,
            *(order_part(v[c]) for c in rest),
            *(order_part(k) for k in self.keep),
        )


def run(files: list[tuple[str, bytes]], pipeline: dict | None, mmdb: str) -> Result:
    """The whole pipeline over files of (base name, bytes)."""
    config = Config.of(pipeline)
    geo = Geo(mmdb)
    inputs = []
    for name, data in files:
        if name.endswith(".parquet"):
            inputs.append((name, list(parquet_rows(name, data, config)), 0, {}))
            continue
        found = records(name, decompress(name, data), config)
        header = next(found, None)
        if header is None:
            raise BadInput(f"{name}: no header")
        inputs.append((name, found, *read_header(name, header[1], config)))

    def shown_ip(ip: str | None) -> str | None:
        return None if config.geo_ip == "drop" else ip  # 2.7: null in all output

    rejects: list[tuple] = []
    nulled = {name: 0 for name, _ in config.keep}
    by_user: dict[str, list[Event]] = {}
    rows_in = 0
    for name, found, field_count, where in inputs:
        for first, second in found:
            rows_in += 1
            if isinstance(first, dict):  # Parquet: the seven, and what is to be kept
                row, kept_values = {c: cleansed(v, config) for c, v in first.items()}, second
            else:  # CSV: an offset, and the record
                values = fields_of(second, ord(config.delimiter))
                if values is None or len(values) != field_count or not is_utf8(second):
                    raw = second.decode("utf-8", "replace")
                    rejects.append(("malformed_row", *[None] * 7, raw, name))
                    continue
                row = {c: to_null(values[where[config.columns[c]]], config) for c in COLUMNS}
                kept_values = [values[where[column]] for column, _ in config.keep]
            reason = None
            time = None
            for required in ("event_id", "user_id", "timestamp"):
                if reason is None and row[required] is None:
                    reason = "missing_" + required
            stamp = row["timestamp"]
            if isinstance(stamp, Micros):
                in_range = FIRST_US <= stamp < END_US
                row["timestamp"] = print_timestamp(stamp) if in_range else str(int(stamp))  # 4.2
            if reason is None:
                if isinstance(stamp, Micros):
                    time = int(stamp) if in_range else None
                else:
                    time = parse_timestamp(stamp, config.timestamp)
                if time is None:
                    reason = "bad_timestamp"
            if reason is not None:
                row["ip_address"] = shown_ip(row["ip_address"])
                rejects.append((reason, *(row[c] for c in COLUMNS), None, name))
                continue
            keep = []
            for (column, kind), raw_value in zip(config.keep, kept_values, strict=True):
                value, misfit = keep_value(cleansed(raw_value, config), kind)
                keep.append(value)
                nulled[column] += misfit
            device = row["device"]
            row["device"] = "unknown" if device is None else ascii_lower(device)  # 2.6
            if row["ip_address"] is not None and not valid_ip(row["ip_address"]):
                row["ip_address"] = None
            by_user.setdefault(row["user_id"], []).append(Event(row, time, keep, name))

    events: list[tuple] = []
    sessions = 0
    for user, of_user in by_user.items():
        kept: Event | None = None
        session_start = seq = 0
        for event in sorted(of_user, key=Event.order):
            v = event.values
            if kept and kept.time == event.time and kept.values["event_id"] == v["event_id"]:
                row = {**v, "timestamp": print_timestamp(event.time)}
                row["ip_address"] = shown_ip(row["ip_address"])
                rejects.append(("duplicate_event", *(row[c] for c in COLUMNS), None, event.source))
                continue
            if kept is None or event.time - kept.time > config.gap_us:
                session_start, seq = event.time, 0
                sessions += 1
            seq += 1
            kept = event
            events.append(
                (
                    v["event_id"],
                    user,
                    f"{user}-{floor_ms(session_start)}",
                    seq,
                    event.time,
                    session_start,
                    v["page_url"],
                    v["referrer"],
                    v["device"],
                    shown_ip(v["ip_address"]),
                    geo.country(v["ip_address"]),
                    *event.keep,
                )
            )
    rejected = {r: sum(row[0] == r for row in rejects) for r in REASONS}
    assert rows_in == len(events) + sum(rejected.values())  # 5.1
    return Result(events, rejects, rows_in, rejected, nulled, sessions, len(by_user))


def main(argv: list[str]) -> int:
    """PIPELINE.json|- MMDB FILE...: print the ledger; for looking at one case by hand."""
    import pathlib

    tree = None if argv[0] == "-" else json.loads(pathlib.Path(argv[0]).read_text())
    files = [(pathlib.Path(f).name, pathlib.Path(f).read_bytes()) for f in argv[2:]]
    try:
        r = run(files, tree, argv[1])
    except BadInput as e:
        print(e, file=sys.stderr)
        return 3
    for row in sorted(r.events, key=lambda row: (row[1], row[4], row[0])):
        print("event ", row)
    for row in r.rejects:
        print("reject", row)
    print(r.rows_in, r.rows_out, r.rejected, r.nulled, r.sessions, r.users)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
