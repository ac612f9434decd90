"""One run: lines → fields → cleansed rows → shuffle by visitor → sessions → countries → files → two commits."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from functools import reduce
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from . import limits
from .cleanse import REJECT_FIELDS, clean_text, cleanse, travelling
from .columnar import Footed, is_parquet, read_footers
from .countries import CountryCache
from .errors import BadInput, Failed
from .job import Job
from .jvm import file_that_failed, said, told
from .ledger import Ledger
from .lines import SMALL, Reading, input_bytes, plan_pieces, spark_path
from .output import NEVER_DAY, everything, rejects_of
from .reading import Opener, local, read_headers
from .s3 import Store, is_s3
from .session import Budget
from .sessions import sessionize
from .tables import Lake, Target, event_fields
from .versions import versions

FEW_FILES = 8  # a day: more tasks than this shuffle once more, by day
REJECTS_FILE = 64 << 20


def partitions_for(total: int, job: Job) -> int:
    """So many that a task sorts its rows, about twice their text, in its share of the pages; as many for each CPU, or
    some would wait for the last."""
    if total < SMALL:
        return 1
    share = Budget.of(job.cpus, job.memory_bytes).pages // job.cpus
    return job.cpus * max(1, -(-2 * total // (share * job.cpus)))


class Run:
    def __init__(self, spark: SparkSession, job: Job, countries: CountryCache) -> None:
        self.spark, self.job, self.p, self.cache = spark, job, job.pipeline, countries
        self.ledger = Ledger(nulled={name: 0 for name, _ in self.p.keep})
        self.folder = tempfile.mkdtemp(prefix="spark-", dir=job.tmp_dir)
        self.store: Store | None = None
        self.lake: Lake | None = None
        self.targets: list[Target] = []
        self.rides: list[Any] = []  # files of rejects among the events

    def prepare(self) -> None:
        """Everything that can be refused, before any work (exit 3)."""
        job = self.job
        self.store = Store.of(self.spark, job)
        opened: Opener = local
        if self.store:
            inputs = [path for path in job.inputs if is_s3(path)]
            self.store.check([*inputs, job.catalog["warehouse"]])
            self.store.look(inputs)
            opened = self.store.open
        columnar = [path for path in job.inputs if is_parquet(path, opened)]
        self.sources = read_headers(
            tuple(path for path in job.inputs if path not in columnar), self.p, opened
        )
        self.footed = read_footers(columnar, self.p, opened)
        self.countries = self.cache.get(self.spark, job.mmdb)
        self.lake = Lake(self.spark, job, self.store)
        rejects = [(c, "string", c == "reason") for c in REJECT_FIELDS]
        self.events = Target(self.lake, job, job.events, event_fields(self.p), "event_time")
        self.rejects = Target(self.lake, job, job.rejects, rejects, None)
        self.targets = [self.rejects, self.events]  # 4.5: in the order of their commits

    def held(self) -> bool:
        summary = self.events.held()
        if summary is None or not self.rejects.held():
            return False
        print(f"run {self.job.run_id} is in both tables already: nothing to do", file=sys.stderr)
        self.ledger = Ledger.of_summary(summary)
        return True

    def work(self) -> None:
        """Data files of both tables, and a ledger that balances."""
        try:
            self._write()
            if self.store:
                self.store.look_again()
        except (Py4JError, PySparkException) as e:
            if self.store:
                self._of_s3(e)
            path = file_that_failed(e)
            if path is not None:
                raise BadInput(f"{os.path.basename(path)}: {said(e)}") from e
            if os.strerror(errno.ENOSPC) in told(e):
                raise Failed(self.job.disk_full()) from e
            raise Failed(said(e)) from e
        self.ledger.check()

    def _of_s3(self, e: Exception) -> None:
        """Raises what has S3 for its cause."""
        assert self.store
        explained = self.store.explained(e)
        if not isinstance(explained, Failed):  # else no answer would come to this either
            self.store.look_again()
        if explained:
            raise explained from e

    def _write(self) -> None:
        job, p, ledger = self.job, self.p, self.ledger
        total = input_bytes(list(job.inputs), self.store)
        partitions = partitions_for(total, job)
        plan_pieces(self.spark, total, job.cpus)
        self.spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
        reading = Reading(self.spark, p, self.sources, self.folder, self.store)
        footed = Footed(self.spark, p, self.footed)
        paths = {
            s.path: spark_path(s.path, self.folder, -1 - i, self.store) for i, s in enumerate(self.footed)
        }
        clean = reduce(
            DataFrame.unionAll,
            [cleanse(clean_text(rows, p), p) for rows in reading.groups()]
            + [cleanse(clean_text(rows, p, kinds), p, kinds) for rows, kinds in footed.groups(paths)],
        )
        nulled = Observation()
        if p.keep:
            clean = clean.observe(
                nulled, *(F.expr(f"count_if(nulled{i}) AS n{i}") for i in range(len(p.keep)))
            )
        found = Observation()
        rows = sessionize(clean.select(*travelling(p)), p, partitions).observe(
            found, F.expr("count_if(starts) AS sessions"), F.expr("count_if(first) AS users")
        )
        distribution = "hash" if partitions > FEW_FILES else "none"
        self.events.write(everything(self.countries.locate(rows), p), self.folder, distribution)
        self._divide()
        ledger.rows_in = reading.counted() + footed.counted()
        ledger.rows_out = sum(f.recordCount() for f in self.events.files)
        ledger.sessions, ledger.users = found.get["sessions"], found.get["users"]
        if p.keep:
            ledger.nulled = {name: nulled.get[f"n{i}"] for i, (name, _) in enumerate(p.keep)}
        self._write_rejects()

    def _divide(self) -> None:
        """The rejects' files from the events'."""
        day = self.spark._jvm.java.lang.Class.forName("java.lang.Integer")
        self.rides = [f for f in self.events.files if f.partition().get(0, day) == NEVER_DAY]
        own = {id(f) for f in self.rides}
        self.events.files = [f for f in self.events.files if id(f) not in own]

    def _write_rejects(self) -> None:
        if self.rides:
            counts = Observation()
            rows: DataFrame = rejects_of(self.spark, [str(f.location()) for f in self.rides], counts)
            size = sum(f.fileSizeInBytes() for f in self.rides)
            self.rejects.write(rows.coalesce(1 + size // REJECTS_FILE), self.folder, "none")
            self.ledger.rejected |= counts.get
            self.events.discard_files(self.rides)
            self.rides = []

    def commit(self) -> None:
        """4.5: the run has happened when events has its snapshot."""
        summary = self.ledger.summary(self.job)
        for target in self.targets:
            if target.held() or not target.commit(summary):
                print(f"run {self.job.run_id} is in {target.text} already: skipped", file=sys.stderr)

    def tidy(self) -> None:
        """Files that nothing names, of a run that failed too."""
        for target in self.targets:
            if not target.committed:
                target.discard()
        if self.rides:
            self.events.discard_files(self.rides)
        if self.lake:
            self.lake.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def result(self) -> dict[str, Any]:
        job, ledger = self.job, self.ledger
        lang = self.spark._jvm.java.lang
        runtime = lang.Runtime.getRuntime()
        return {
            "run_id": job.run_id,
            "stack": "spark",
            "rows_in": ledger.rows_in,
            "rows_out": ledger.rows_out,
            "rejected": ledger.rejected,
            "nulled": ledger.nulled,
            "sessions": ledger.sessions,
            "users": ledger.users,
            "tables": {"events": self.events.result(), "rejects": self.rejects.result()},
            "versions": versions(lang.System.getProperty("java.version")),
            "seen": {
                "cpus": len(os.sched_getaffinity(0)),
                "memory_bytes": limits.memory_bytes(),
                "threads": self.spark.sparkContext.defaultParallelism,
                "heap_bytes": runtime.maxMemory(),
            },
        }
