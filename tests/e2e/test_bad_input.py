"""Bad input and a failing world: one line that says what and where, the documented exit code, and tables as
they were.

Exit codes (architecture: command line): 2 usage, 3 bad input or configuration, 4 failure outside.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess

import pytest
import zstandard
from conformance import cases
from tools import clicks, engine

GOOD = cases.csv(cases.row(), cases.row(user_id="u2"), b"bad")
OTHER = cases.csv(cases.row(event_id="other"), b"x,y")


class World:
    """A lake with one run in it, and what must survive everything below."""

    def __init__(self, folder: pathlib.Path, mmdb: pathlib.Path, at: pathlib.Path | None = None) -> None:
        self.folder = folder
        self.mmdb = mmdb
        self.lake = engine.Lake(at or folder / "lake")
        self.good = folder / "good.csv"
        self.good.write_bytes(GOOD)
        self.other = folder / "other.csv"
        self.other.write_bytes(OTHER)
        self.lake.run([self.good], mmdb)
        self.before = self.seen()

    def seen(self) -> tuple:
        rows = {t: engine.bag(self.lake.read(t).rows) for t in ("events", "rejects")}
        return self.lake.state(), rows

    def file(self, name: str, data: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def fails(self, code: int, *inputs, says: str = "", mmdb=None, args=(), **rest) -> str:
        done = self.lake.run(inputs, mmdb or self.mmdb, *args, ok=False, **rest)
        assert done.code == code, f"exit {done.code}: {done.err}"
        one_line(done.err, says)
        assert self.seen() == self.before
        return done.err

    def works(self) -> None:
        self.lake.run([self.other], self.mmdb)
        assert [r[0] for r in self.lake.read("events").rows] == ["other"]


def one_line(text: str, says: str) -> None:
    assert text.count("\n") == 1 and text.endswith("\n"), text
    assert says in text, text


@pytest.fixture
def world(tmp_path, small_mmdb):
    yield World(tmp_path, small_mmdb)
    shutil.rmtree(tmp_path, ignore_errors=True)


# ---- input ----------------------------------------------------------------------------------------------


def test_missing_file(world):
    world.fails(3, world.folder / "nowhere.csv", says="nowhere.csv")


def test_one_of_two_missing(world):
    world.fails(3, world.good, world.folder / "nowhere.csv", says="nowhere.csv")


def test_empty_file(world):
    world.fails(3, world.file("empty.csv", b""), says="empty.csv")


def test_folder_without_data(world):
    (world.folder / "bare").mkdir()
    (world.folder / "bare" / "x.txt").write_text("x")
    world.fails(3, world.folder / "bare", says="bare")


def test_glob_without_match(world):
    world.fails(3, f"{world.folder}/zzz*.csv", says="zzz*.csv")


def test_no_such_column(world):
    err = world.fails(3, world.file("cols.csv", b"a,b,c\n1,2,3\n"), says="cols.csv")
    assert "event_id" in err


def test_binary_garbage(world):
    noise = random.Random(5).randbytes(100_000)
    world.fails(3, world.file("noise.csv", noise), says="noise.csv")


def test_nul_bytes(world):
    world.fails(3, world.file("nul.csv", bytes(100_000)), says="nul.csv")


def test_an_executable(world):
    data = engine.BINARY.read_bytes()[:200_000]
    world.fails(3, world.file("program.csv", data), says="program.csv")


def test_garbage_after_a_good_header_is_rejected_rows(world):
    noise = random.Random(6).randbytes(100_000).replace(b"\r", b"")
    data = cases.csv(cases.row()) + noise + b"\n" + cases.row(user_id="u9")
    done = world.lake.run([world.file("half.csv", data)], world.mmdb)
    count = sum(bool(line) for line in noise.split(b"\n"))
    assert done.ledger["rejected"]["malformed_row"] == count
    assert done.ledger["rows_out"] == 2


GZ = gzip.compress(cases.csv(*[cases.row(event_id=f"e{n}") for n in range(5000)]), mtime=0)
ZST = zstandard.compress(cases.csv(*[cases.row(event_id=f"e{n}") for n in range(5000)]))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.csv.gz", GZ[: len(GZ) // 2]),
        ("cut-in-trailer.csv.gz", GZ[:-4]),
        ("cut-in-header.csv.gz", GZ[:5]),
        ("empty.csv.gz", b""),
        ("crc.csv.gz", GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:]),
        ("not.csv.gz", GOOD),
        ("cut.csv.zst", ZST[: len(ZST) // 2]),
        ("cut-at-end.csv.zst", ZST[:-1]),
        ("empty.csv.zst", b""),
        ("not.csv.zst", GOOD),
        ("flipped.csv.gz", GZ[:2000] + bytes([GZ[2000] ^ 0xFF]) + GZ[2001:]),
    ],
)
def test_broken_compression(world, name, data):
    world.fails(3, world.file(name, data), says=name)


def test_header_far_away(world):
    """A first line beyond 16 MiB is no header."""
    world.fails(3, world.file("wide.csv", b"x" * (17 << 20)), says="wide.csv")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("garbage", random.Random(7).randbytes(50_000)),
        ("text", b"this is not a database\n" * 100),
    ],
)
def test_corrupt_mmdb(world, name, data):
    path = world.file(f"{name}.mmdb", data)
    world.fails(3, world.other, mmdb=path, says=f"{name}.mmdb")


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_cut_mmdb(world, small_mmdb, cut):
    data = small_mmdb.read_bytes()
    path = world.file("cut.mmdb", data[: int(len(data) * cut)])
    world.fails(3, world.other, mmdb=path, says="cut.mmdb")


def test_mmdb_with_wild_tree(world, small_mmdb):
    """Records that point beyond the data: refused, never followed."""
    data = bytearray(small_mmdb.read_bytes())
    data[0:6] = b"\xff\xff\xff\xff\xff\xff"
    world.fails(3, world.other, mmdb=world.file("wild.mmdb", bytes(data)), says="wild.mmdb")


def test_missing_mmdb(world):
    world.fails(3, world.other, mmdb=world.folder / "no.mmdb", says="no.mmdb")


# ---- configuration and usage ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("input:\n  csv:\n    delimeter: ','\n", 3, "delimeter"),
        ("input:\n  csv:\n    multiline: perhaps\n", 3, "multiline"),
        ("sessions:\n  gap_seconds: soon\n", 2, "gap_seconds"),
        ("sessions:\n  gap_seconds: -5\n", 2, "gap_seconds"),
        ("clean:\n  timestamp: epoch_ns\n", 2, "timestamp"),
        ("geo:\n  ip: maybe\n", 2, "ip"),
        ("input:\n  keep:\n    - {name: x, type: number}\n", 3, "type"),
        ("input:\n  csv:\n    delimiter: ',,'\n", 3, "delimiter"),
        ("input:\n  csv:\n    delimiter: '\"'\n", 3, "delimiter"),
        ("speed: fast\n", 1, "speed"),
    ],
)
def test_wrong_pipeline(world, text, line, key):
    path = world.file("p.yaml", text.encode())
    err = world.fails(3, world.other, pipeline=path, says=f"p.yaml:{line}")
    assert key in err


def test_pipeline_that_is_no_yaml(world):
    path = world.file("p.yaml", b"input: [\n")
    world.fails(3, world.other, pipeline=path, says="p.yaml")


def test_missing_pipeline(world):
    world.fails(3, world.other, pipeline=world.folder / "none.yaml", says="none.yaml")


@pytest.mark.parametrize(
    "args",
    [
        ("--mode", "merge"),
        ("--threads", "many"),
        ("--memory", "lots"),
        ("--no-such-option",),
    ],
)
def test_wrong_usage(world, args):
    done = world.lake.run([world.other], world.mmdb, *args, ok=False)
    assert done.code == 2, done.err
    assert args[-1] in done.err
    assert world.seen() == world.before


def test_no_input(world):
    assert world.lake.run([], world.mmdb, ok=False).code == 2
    assert world.seen() == world.before


def test_no_such_command():
    assert engine.weir("frobnicate").code == 2


# ---- the world outside ----------------------------------------------------------------------------------


def mounts() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


needs_mounts = pytest.mark.skipif(not mounts(), reason="needs root, to mount small file systems")


@contextlib.contextmanager
def mounted(*args: str | pathlib.Path):
    """mount ARGS…, the last being the folder."""
    done = subprocess.run(["mount", *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount refused: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(args[-1])], check=True)


def test_warehouse_is_a_file(tmp_path, small_mmdb):
    lake = engine.Lake(tmp_path / "lake")
    lake.path.mkdir()
    lake.warehouse.write_text("in the way")
    (tmp_path / "a.csv").write_bytes(GOOD)
    done = lake.run([tmp_path / "a.csv"], small_mmdb, ok=False)
    assert done.code == 4, done.err
    one_line(done.err, "warehouse")
    assert lake.state() == {"events": None, "rejects": None}
    assert lake.warehouse.read_text() == "in the way"


def test_lake_below_a_file(tmp_path, small_mmdb):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "a.csv").write_bytes(GOOD)
    done = engine.Lake(tmp_path / "file" / "lake").run([tmp_path / "a.csv"], small_mmdb, ok=False)
    assert done.code == 4, done.err
    one_line(done.err, f"{tmp_path}/file")


@needs_mounts
def test_read_only_lake(world):
    lake = world.lake.path
    with mounted("--bind", lake, lake):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(lake)], check=True)
        world.fails(4, world.other, says="ead-only")
    world.works()


@needs_mounts
def test_read_only_warehouse(world):
    folder = world.lake.warehouse
    with mounted("--bind", folder, folder):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        world.fails(4, world.other, says="ead-only")
    world.works()


def named_files(lake: engine.Lake) -> set[pathlib.Path]:
    """Everything that any metadata of the catalog's tables names, by PyIceberg."""
    from tools.leftovers import referenced

    return referenced(lake)


@needs_mounts
def test_full_disk(tmp_path, small_mmdb):
    """A small tmpfs, filled up to leave more and more room: the run fails until all of it fits, each time
    leaving tables as they were; in the end `table clean` leaves only what is named."""
    disk = tmp_path / "disk"
    disk.mkdir()
    big = clicks.write(tmp_path / "big.csv", 20_000)
    with mounted("-t", "tmpfs", "-o", "size=8m", "none", disk):
        world = World(tmp_path, small_mmdb, disk / "lake")
        ballast = disk / "ballast"
        failed = 0
        for room in [4096 * n for n in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512)]:
            with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
                while f.write(bytes(4096)) == 4096:
                    pass
            stat = os.statvfs(disk)
            size = ballast.stat().st_size - room + stat.f_bavail * stat.f_frsize
            os.truncate(ballast, max(0, size))
            done = world.lake.run([big], world.mmdb, ok=False)
            if done.code == 0:
                break
            failed += 1
            assert done.code == 4, f"room {room}: exit {done.code}: {done.err}"
            one_line(done.err, "")
            # rejects may have been committed before events failed (4.5)
            assert world.lake.location("events") == world.before[0]["events"]
            assert engine.bag(world.lake.read("events").rows) == world.before[1]["events"]
            world.lake.read("rejects")
            ballast.unlink()
            assert engine.weir("table", "clean", "--older-than", "0s", "--lake", world.lake.path).code == 0
        assert failed >= 3
        ballast.unlink(missing_ok=True)
        world.works()
        cleaned = engine.weir("table", "clean", "--older-than", "0s", "--lake", world.lake.path)
        assert cleaned.code == 0, cleaned.err
        left = {p for p in world.lake.warehouse.rglob("*") if p.is_file()}
        assert left == named_files(world.lake)


def test_locked_catalog(world):
    with contextlib.closing(sqlite3.connect(world.lake.catalog, isolation_level=None)) as db:
        db.execute("begin exclusive")
        done = world.lake.run([world.other], world.mmdb, ok=False)
        db.execute("rollback")
    assert done.code == 4, done.err
    one_line(done.err, "catalog.db")
    assert "lock" in done.err
    assert world.seen() == world.before
    world.works()


def test_catalog_locked_for_a_moment(world):
    """A lock that goes away is waited for."""
    script = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('begin exclusive'); print('held', flush=True)\n"
        "time.sleep(1); db.execute('rollback')\n"
    )
    import sys

    holder = subprocess.Popen([sys.executable, "-c", script, str(world.lake.catalog)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        world.works()
    finally:
        holder.wait()
        holder.stdout.close()


def test_catalog_is_no_database(tmp_path, small_mmdb):
    lake = engine.Lake(tmp_path / "lake")
    lake.path.mkdir()
    lake.catalog.write_bytes(b"not a database at all" * 100)
    (tmp_path / "a.csv").write_bytes(GOOD)
    done = lake.run([tmp_path / "a.csv"], small_mmdb, ok=False)
    assert done.code in (3, 4)
    one_line(done.err, "catalog.db")
    assert lake.catalog.read_bytes() == b"not a database at all" * 100


@pytest.mark.parametrize("damage", ["cut", "gone", "empty", "not-json"])
def test_damaged_metadata(world, damage):
    """A table whose metadata is broken is not written to."""
    location = world.lake.location("events")
    path = pathlib.Path(engine.local_path(location))
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        new = {"cut": data[: len(data) // 2], "empty": b"", "not-json": b"hello"}[damage]
        path.write_bytes(new)
    done = world.lake.run([world.other], world.mmdb, ok=False)
    assert done.code in (3, 4), done.err
    one_line(done.err, path.name)
    assert world.lake.state() == world.before[0]


def test_table_of_other_shape(world):
    """events exists but is no events table: an error before any work, nothing changed."""
    done = world.lake.run([world.other], world.mmdb, "--events", "rejects", "--rejects", "events", ok=False)
    assert done.code in (3, 4), done.err
    one_line(done.err, "")
    assert world.seen() == world.before


def test_output_to_a_full_device(world):
    """The result could not be told: not silently ignored."""
    command = world.lake.command([world.other], world.mmdb)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(engine.BINARY), *command],
            stdout=full,
            stderr=subprocess.PIPE,
            env=engine.clean_env(),
            check=False,
        )
    assert done.returncode == 4, done.stderr
    assert json.dumps(done.stderr.decode()).count("\\n") == 1


@pytest.mark.parametrize("name", ["a#b", "a?b"])
def test_a_lake_that_others_could_not_read(tmp_path, small_mmdb, name):
    good = tmp_path / "good.csv"
    good.write_bytes(GOOD)
    done = engine.Lake(tmp_path / name / "lake").run([good], small_mmdb, ok=False)
    assert done.code == 3
    one_line(done.err, "# or ?")
    assert not (tmp_path / name).exists()
