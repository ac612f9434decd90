"""Commits into a real SQLite catalog, and what is kept of them when something fails."""

import sqlite3

import polars as pl
import pytest
from pyiceberg.partitioning import PartitionSpec

from weir_pythonic import committing
from weir_pythonic.job import Job, Pipeline
from weir_pythonic.writing import DataFiles


def job(folder, run_id, mode="overwrite"):
    catalog = {"uri": f"sqlite://{folder}/lake/catalog.db", "warehouse": f"file://{folder}/lake/warehouse"}
    return Job(
        run_id,
        mode,
        (),
        Pipeline.of({}),
        None,
        catalog,
        "web",
        "events",
        "rejects",
        1,
        1 << 30,
        None,
        None,
        None,
    )


def target(folder, run_id, mode="overwrite"):
    j = job(folder, run_id, mode)
    schema = committing.rejects_schema()
    return committing.Target(committing.open_catalog(j), j, "rejects", schema, PartitionSpec())


def written(t, reasons=1):
    names = [f.name for f in committing.rejects_schema().fields]
    files = DataFiles(t.table, names, [])
    frame = pl.DataFrame({n: pl.repeat("x", reasons, dtype=pl.String, eager=True) for n in names})
    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    files.write(type(arrow).from_arrays(arrow.columns, schema=files.schema))
    return files


def rows(t):
    return t.catalog.load_table(t.identifier).scan().to_arrow().num_rows


def test_overwrite_append_repeat(tmp_path):
    for run_id, mode, count, after in (
        ("1", "overwrite", 2, 2),
        ("2", "overwrite", 3, 3),
        ("3", "append", 4, 7),
        ("4", "overwrite", 1, 1),
    ):
        t = target(tmp_path, run_id, mode)
        assert t.held() is None
        assert t.commit(written(t, count).finish(), {"weir.run-id": run_id})
        assert rows(t) == after
    again = target(tmp_path, "2")
    assert again.held() is not None
    assert not again.commit([], {"weir.run-id": "2"})
    assert len(again.table.metadata.snapshots) == 4


def test_a_lost_race_replaces_what_is_current_then(tmp_path):
    first = target(tmp_path, "1")
    first.commit(written(first, 2).finish(), {"weir.run-id": "1"})
    slow, quick = target(tmp_path, "slow"), target(tmp_path, "quick", "append")
    assert quick.commit(written(quick, 5).finish(), {"weir.run-id": "quick"})
    assert slow.commit(written(slow, 3).finish(), {"weir.run-id": "slow"})
    assert rows(slow) == 3
    assert len(slow.table.metadata.snapshots) == 3


def test_two_runs_make_the_table(tmp_path):
    one, other = target(tmp_path, "1", "append"), target(tmp_path, "2", "append")
    assert one.commit(written(one, 2).finish(), {"weir.run-id": "1"})
    assert other.commit(written(other, 3).finish(), {"weir.run-id": "2"})
    assert rows(one) == 5


def test_a_commit_that_fails_after_it_happened_keeps_its_files(tmp_path, monkeypatch):
    t = target(tmp_path, "1")
    commit = t.catalog.commit_table

    def then_fail(*args):
        commit(*args)
        raise OSError("the answer was lost")

    monkeypatch.setattr(t.catalog, "commit_table", then_fail)
    with pytest.raises(OSError, match="lost"):
        t.commit(written(t).finish(), {"weir.run-id": "1"})
    assert t.committed


def test_a_refused_commit_is_not_committed(tmp_path):
    first = target(tmp_path, "1")
    first.commit(written(first).finish(), {"weir.run-id": "1"})
    t = target(tmp_path, "2")
    with sqlite3.connect(tmp_path / "lake/catalog.db") as db:
        db.execute(
            "create trigger no before update on iceberg_tables begin select raise(abort, 'not now'); end"
        )
    with pytest.raises(Exception, match="not now"):
        t.commit(written(t).finish(), {"weir.run-id": "2"})
    assert not t.committed
