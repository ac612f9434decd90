"""Nasty click files from a seed: much that is right, everything that can be wrong, in odd encodings.

python tests/e2e/grammar.py SEED FOLDER     writes one seed's files, pipeline.yaml and MMDB
"""

from __future__ import annotations

import gzip
import json
import pathlib
import random
import sys
from dataclasses import dataclass
from typing import Any

import zstandard

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reference.pipeline_reference import COLUMNS
from tools import mmdb_writer

BASE = 1_704_164_645  # 2024-01-02T03:04:05Z

ODD = ['"', '""', ",", ";", "\t", " ", "|", "\r", "\0", "\n", "\r\n", "a", "Z", "é", "€", "𝄞"]
INVALID = [
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"\x80",
]
NULLS = ["", "", "null", "NULL", "None", "nan", "N/A", "\\N", "-", '""', " ", "\t-\t"]
BAD_TIMES = [
    "2024-02-30T00:00:00Z",
    "2024-01-02T24:00:00Z",
    "2024-01-02T03:04:05.1234567Z",
    "2024-01-02T03:04:05+18:01",
    "2024-01-02t03:04:05Z",
    "2024-01-02",
    "1899-12-31T23:59:59Z",
    "2262-01-01T00:00:00",
    "soon",
    "1704164645x",
    "2024-01-02T03:04:05+0:00",
    "9999999999999999999",
]
IPS = [
    "1.2.3.4",
    "1.2.3.5",
    "10.0.0.1",
    "200.7.8.9",
    "255.255.255.255",
    "2001:db8::1",
    "2001:DB8:0:1::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "2002:102:304::9",
    "fe80::1",
    "1.2.3.04",
    "1.2.3.256",
    "fe80::1%1",
    "1.2.3",
    "::g",
    "1.2.3.4.5",
]
LONGS = ["1", "-1", "+7", "007", "999999999999999999", "1000000000000000000", "1.0", "x", "+", "12"]
DOUBLES = ["1", "-1.5", "1e5", "2.5e-3", "+1", ".5", "1.", "1E5", "inf", "-0.0", "0.1", "3e+2", "x"]


@dataclass
class Sample:
    seed: int
    files: dict[str, bytes]
    pipeline: dict[str, Any]
    mmdb: bytes
    threads: int
    memory: str | None

    @property
    def keep(self) -> list[str]:
        return [k["name"] for k in self.pipeline["input"]["keep"]]


class Writer:
    def __init__(self, seed: int, rows: int | None = None, multiline: bool | None = None) -> None:
        self.r = random.Random(seed)
        self.seed = seed
        self.rows = rows
        self.delimiter = self.r.choice(",,,;\t|")
        self.multiline = self.r.random() < 0.5 if multiline is None else multiline
        self.form = self.r.choice(["iso8601"] * 4 + ["epoch_s", "epoch_ms", "epoch_us"])
        self.users = self.r.choice([1, 3, 10]) if rows is None else max(3, rows // 20)
        self.dirt = self.r.choice([0.02, 0.2, 0.6]) if rows is None else 0.1
        kinds = self.r.sample(["string", "long", "double", "long"], self.r.randrange(4))
        self.keep = [{"name": f"k{n}", "type": kind} for n, kind in enumerate(kinds)]

    def timestamp(self) -> str:
        r = self.r
        if r.random() < 0.05:
            return r.choice(BAD_TIMES)
        us = BASE * 1_000_000
        us += r.choice([0, 0, 1, 60, 600, 1799, 1800, 1801, 3600, 90_000]) * 1_000_000
        us += r.randrange(4) * 1_800_000_000 + r.choice([0, 0, 0, 1, 999_999, 500_000])
        if r.random() < 0.05:
            us = -us
        if self.rows is not None:
            us += r.randrange(0, 40 * 86_400) * 1_000_000
        if self.form != "iso8601":
            scale = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}[self.form]
            return r.choice(["", "", "+", "0"]).replace("+", "+" if us >= 0 else "") * (us >= 0) + str(
                us // scale
            )
        offset = r.choice([0, 0, 0, 60, -330, 1080, -1080])
        seconds, micros = divmod(us + offset * 60_000_000, 1_000_000)
        # through the calendar by days, without a library that stops at some year
        import datetime

        t = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        text = t.strftime(r.choice(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]))
        if micros or r.random() < 0.2:
            text += f".{micros:06d}"
            if micros % 1000 == 0 and r.random() < 0.5:
                text = text[:-3]
        if offset == 0:
            return text + r.choice(["Z", "", "+00:00", "-0000"])
        hours, minutes = divmod(abs(offset), 60)
        colon = r.choice([":", ""])
        return text + f"{'+' if offset > 0 else '-'}{hours:02d}{colon}{minutes:02d}"

    def text(self) -> str:
        r = self.r
        if r.random() < 0.15:
            return "".join(r.choice(ODD) for _ in range(r.randrange(8)))
        if r.random() < 0.1:
            return "/" + r.choice("abcé") * r.choice([7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 500])
        return r.choice(["/", "/a", "/b", "/ü", "/a,b", '/"q"', "/c?d=e&f=g"])

    def value(self, column: str) -> str:
        r = self.r
        if column == "timestamp":
            return r.choice(NULLS) if r.random() < 0.02 else self.timestamp()
        if column == "event_id":
            if r.random() < 0.02:
                return r.choice(NULLS)
            many = 30 if self.rows is None else self.rows
            return r.choice([f"e{r.randrange(many)}", f"e{r.randrange(many):08d}x", "e", "E1", "é1"])
        if column == "user_id":
            return r.choice(NULLS) if r.random() < 0.02 else f"u{r.randrange(self.users)}"
        if r.random() < 0.1:
            return r.choice(NULLS)
        if column == "device":
            return r.choice(["Desktop", "MOBILE", "tablet", "ÄTV", "x" * 40])
        if column == "ip_address":
            if r.random() < 0.3:
                return ".".join(str(r.randrange(256)) for _ in range(4))
            return r.choice(IPS)
        for k in self.keep:
            if k["name"] == column and k["type"] == "long":
                return r.choice(LONGS)
            if k["name"] == column and k["type"] == "double":
                return r.choice(DOUBLES)
        return self.text()

    def encode(self, value: str) -> bytes:
        """As CSV; now and then quoted without need or padded."""
        r = self.r
        if r.random() < 0.05:
            value = r.choice([" ", "\t", "  "]) + value + r.choice([" ", "\t"])
        risky = any(c in value for c in (self.delimiter, '"', "\n", "\r"))
        if not self.multiline and r.random() < 0.9:
            value = value.replace("\n", "")
        if risky and r.random() < 0.95 or r.random() < 0.1:
            value = '"' + value.replace('"', '""') + '"'
        return value.encode()

    def spoil(self, line: bytes) -> bytes:
        """One small thing wrong, or nothing but noise."""
        r = self.r
        what = r.randrange(6)
        at = r.randrange(len(line) + 1)
        if what == 0:
            return line[:at] + r.choice(ODD).encode() + line[at:]
        if what == 1:
            return line[:at] + line[at + 1 :]
        if what == 2:
            return line[:at] + r.choice(INVALID) + line[at:]
        if what == 3:
            return line[:at]
        if what == 4:
            return line + self.delimiter.encode()
        alphabet = [o.encode() for o in ODD] + INVALID + [self.delimiter.encode()] * 6
        return b"".join(r.choice(alphabet) for _ in range(r.randrange(20)))

    def file(self) -> bytes:
        r = self.r
        names = [*COLUMNS, *(k["name"] for k in self.keep)]
        if r.random() < 0.3:
            names += r.sample(["x", "y z", "", "x"], r.randrange(4))
        if r.random() < 0.5:
            r.shuffle(names)
        ends = r.choice([[b"\n"], [b"\r\n"], [b"\n", b"\r\n", b"\n\n", b"\r\r\n", b"\n\r\n"]])
        out = [b"\xef\xbb\xbf"] if r.random() < 0.2 else []
        if r.random() < 0.1:
            out.append(b"\r\n\n")
        header = self.delimiter.join(r.choice([n, f'"{n}"', f" {n}\t"]) for n in names)
        out += [header.encode(), r.choice([b"\n", b"\r\n"])]
        for _ in range(r.randrange(60) if self.rows is None else self.rows):
            fields = [self.encode(self.value(n)) for n in names]
            line = self.delimiter.encode().join(fields)
            if r.random() < self.dirt:
                line = self.spoil(line)
            out += [line, r.choice(ends)]
            if r.random() < 0.1:
                out += out[-2:]
        if r.random() < 0.3:
            out.pop()
            if r.random() < 0.3:
                out.append(b"\r")
        return b"".join(out)

    def database(self) -> bytes:
        r = self.r
        version = r.choice([4, 6, 6])
        networks: list[tuple[str, Any]] = []
        for _ in range(r.randrange(1, 30)):
            prefix = r.randrange(1, 33)
            number = r.getrandbits(32) >> (32 - prefix) << (32 - prefix)
            dotted = ".".join(str(number >> s & 255) for s in (24, 16, 8, 0))
            code = r.choice(["US", "DE", "FR", "JP", "BR"])
            record: dict[str, Any] = r.choice(
                [
                    {"country": {"iso_code": code}},
                    {"country_code": code},
                    {"registered_country": {"iso_code": code}, "country": {}},
                ]
            )
            networks.append((f"{dotted}/{prefix}", record))
        networks.append(("1.2.3.4/31", {"country_code": "NZ"}))
        if version == 6:
            networks.append(("2001:db8::/33", {"country_code": "CH"}))
        networks.sort(key=lambda n: int(n[0].rpartition("/")[2]))
        aliases = ("2002::/16",) if version == 6 and r.random() < 0.5 else ()
        size = r.choice([24, 28, 32])
        return mmdb_writer.build(networks, ip_version=version, record_size=size, aliases=aliases)

    def sample(self) -> Sample:
        r = self.r
        files: dict[str, bytes] = {}
        for n in range(r.choice([1, 1, 1, 2, 3])):
            data, suffix = self.file(), r.choice(["", "", "", ".gz", ".zst"])
            if suffix == ".gz":
                data = gzip.compress(data, 1, mtime=0)
            elif suffix == ".zst":
                data = zstandard.compress(data)
            files[f"part-{n}.csv{suffix}"] = data
        pipeline: dict[str, Any] = {
            "input": {
                "csv": {"delimiter": self.delimiter, "multiline": self.multiline},
                "keep": self.keep,
            },
            "clean": {"timestamp": self.form},
            "geo": {"ip": r.choice(["keep", "keep", "keep", "drop"])},
            "sessions": {"gap_seconds": r.choice([1800, 1800, 60, 1])},
        }
        if r.random() < 0.2:
            pipeline["clean"]["null_tokens"] = r.sample(["-", "x", "None", "/A", "é"], 3)
        return Sample(
            self.seed,
            files,
            pipeline,
            self.database(),
            r.choice([1, 2, 7]),
            r.choice([None, "64MB"]),
        )


def write(sample: Sample, folder: pathlib.Path) -> list[pathlib.Path]:
    """The files into folder/in, with pipeline.yaml and country.mmdb beside it."""
    inputs = folder / "in"
    inputs.mkdir(parents=True, exist_ok=True)
    for name, data in sample.files.items():
        (inputs / name).write_bytes(data)
    (folder / "pipeline.yaml").write_text(json.dumps(sample.pipeline, ensure_ascii=False))
    (folder / "country.mmdb").write_bytes(sample.mmdb)
    return [inputs / name for name in sample.files]


if __name__ == "__main__":
    s = Writer(int(sys.argv[1])).sample()
    for path in write(s, pathlib.Path(sys.argv[2])):
        print(path)
    print(json.dumps(s.pipeline), "threads", s.threads, "memory", s.memory)
