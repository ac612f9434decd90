"""A class data sharing archive (JEP 350), made once by `setup`: Spark's classes parsed and verified beforehand.

The JVM writes it when it ends, of the classes that it has loaded; so a small run must have used all that runs use. A JVM
or jar that is another than the archive's makes Java ignore it, and start as slowly as without.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from .job import Job
from .session import ARCHIVE, JVM, open_session

ROWS = """event_id,user_id,timestamp,page_url,referrer,device,ip_address
a,u,2024-05-01T00:00:00Z,/,,Phone,192.0.2.1
b,u,2024-05-01T00:00:01+01:00,"/?q=""x"" y",-,,2001:db8::1
b,u,2024-05-01T00:00:01+01:00,"/?q=""x"" y",-,,2001:db8::1
c,,2024-05-01T00:00:02Z,/,,,
"""


def _text(value: str) -> bytes:
    return bytes([0x40 | len(value)]) + value.encode()


def _number(kind: int, value: int) -> bytes:
    """`kind`: the type and size byte of an unsigned integer."""
    return bytes([kind, value])


def least_database() -> bytes:
    """A country database of one node (MaxMind DB file format 2.0): the lower half of all addresses is in ZZ."""
    found = b"\xe1" + _text("country_code") + _text("ZZ")
    tree = (1 + 16).to_bytes(3, "big") + (1).to_bytes(3, "big")
    about = {
        "node_count": _number(0xC1, 1),
        "record_size": _number(0xA1, 24),
        "ip_version": _number(0xA1, 6),
        "database_type": _text("least"),
        "languages": b"\x00\x04",
        "binary_format_major_version": _number(0xA1, 2),
        "binary_format_minor_version": b"\xa0",
        "build_epoch": b"\x01\x02\x01",
        "description": b"\xe0",
    }
    fields = b"".join(_text(k) + v for k, v in about.items())
    return tree + bytes(16) + found + b"\xab\xcd\xefMaxMind.com" + bytes([0xE0 | len(about)]) + fields


def make() -> None:
    from .countries import CountryCache
    from .pipeline import Run

    with tempfile.TemporaryDirectory(prefix="weir-spark-") as folder:
        part = ARCHIVE.with_suffix(".part")
        source, path, mmdb = (Path(folder, name) for name in ("rows.csv", "job.json", "country.mmdb"))
        source.write_text(ROWS)
        mmdb.write_bytes(least_database())
        catalog = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
        tree = {"run_id": "archive", "inputs": [str(source)], "catalog": catalog, "tmp_dir": folder}
        path.write_text(json.dumps({**tree, "mmdb": str(mmdb)}))
        job = Job.read(str(path))
        spark = open_session(job, folder, (f"-XX:ArchiveClassesAtExit={part}", "-Xlog:cds*=off"))
        run = Run(spark, job, CountryCache())
        try:
            run.prepare()
            run.work()
            run.commit()
        finally:
            run.tidy()
        spark.stop()
        for process in JVM:  # ends with its input, which is when it writes
            process.communicate()
        os.replace(part, ARCHIVE)


if __name__ == "__main__":
    try:
        make()
    except Exception as e:  # whatever it is: all that is lost is a faster start
        sys.exit(f"stack spark: no class archive, runs start more slowly: {e}")
