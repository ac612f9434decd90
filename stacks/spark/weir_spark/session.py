"""The Spark session: where it runs, and how a budget of CPUs and memory becomes its settings.

The driver's JVM is started here rather than by bin/spark-submit: that runs a shell and another JVM first, only to
print the command. It gets a process group of its own, so that a SIGTERM to ours does not end it before we have
tidied up; it ends by itself when its standard input closes, which is when we end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyspark
from pyspark.serializers import UTF8Deserializer, read_int
from pyspark.sql import SparkSession

from .errors import BadInput, Failed
from .job import Job
from .jvm import said
from .trust import trust_options

STACK = Path(__file__).resolve().parents[1]
JARS = STACK / ".jars"  # those for S3 in a folder of their own, at the end of the class path
ARCHIVE = JARS / "classes.jsa"  # see archive.py
MIB = 1 << 20
# What is neither heap nor off-heap pages: this process, and the JVM's classes, code, threads and buffers.
OUTSIDE_BYTES = 640 * MIB
LEAST_HEAP, LEAST_PAGES = 512 * MIB, 256 * MIB
START_SECONDS = 120
CLUSTER_SECONDS = 60  # until workers took the executors; Spark itself would wait for ever
OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs"),
    *("sun.security.action", "sun.util.calendar"),
)


@dataclass(frozen=True)
class Budget:
    """Of one JVM."""

    cpus: int
    heap: int  # bytes
    pages: int  # off-heap, for sorting and hashing

    @staticmethod
    def of(cpus: int, memory_bytes: int) -> Budget:
        rest = memory_bytes - OUTSIDE_BYTES
        return Budget(cpus, max(LEAST_HEAP, rest // 2), max(LEAST_PAGES, rest - rest // 2))

    @staticmethod
    def in_cluster(cpus: int, memory_bytes: int, executors: int) -> tuple[Budget, Budget]:
        """The driver's, a quarter, and each executor's."""
        driver = max(OUTSIDE_BYTES + LEAST_HEAP, memory_bytes // 4)
        each = Budget.of(-(-cpus // executors), (memory_bytes - driver) // executors)
        return Budget(1, driver - OUTSIDE_BYTES, 0), each


def executors() -> int:
    """Of a cluster: WEIR_SPARK_EXECUTORS, one unless said."""
    given = os.environ.get("WEIR_SPARK_EXECUTORS") or "1"
    if not given.isdigit() or not 0 < int(given) <= 1000:
        raise BadInput(f'WEIR_SPARK_EXECUTORS: "{given}" is no number from 1 to 1000')
    return int(given)


def master(cpus: int) -> str:
    """WEIR_SPARK_MASTER: `local` (default) or `cluster`, which is then at SPARK_MASTER_URL."""
    where = os.environ.get("WEIR_SPARK_MASTER", "local")
    if where == "local":
        return f"local[{cpus}]"
    if where != "cluster":
        raise BadInput(f'WEIR_SPARK_MASTER: "{where}" is neither local nor cluster')
    url = os.environ.get("SPARK_MASTER_URL", "")
    if not url.startswith("spark://"):
        raise BadInput(
            "SPARK_MASTER_URL: says no spark://HOST:PORT; stacks/spark/cluster start runs one for tests"
        )
    return url


def settings(job: Job, budget: Budget, scratch: str) -> dict[str, str]:
    conf = {
        "spark.master": master(budget.cpus),
        "spark.app.name": "weir",
        "spark.ui.enabled": "false",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": f"file:{scratch}/warehouse",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.adaptive.enabled": "true",
        "spark.memory.offHeap.enabled": "true",
        "spark.memory.offHeap.size": str(budget.pages),
        "spark.memory.fraction": "0.4",
        "spark.shuffle.file.buffer": "256k",
        # These trace a column back through all that it was made of; with our layers of CASE they would not end.
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
        "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": "-1",  # what is broadcast is said to be
        # The countries' ranges as they are sent, not as an object for each row in every step of planning.
        "spark.sql.execution.arrow.localRelationThreshold": "0b",
        # And in few batches, for each is a task; nothing else is large that goes this way.
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(1 << 16),
        # lower() is only asked about ASCII, where Java's does; ICU takes most of a second to load.
        "spark.sql.icu.caseMappings.enabled": "false",
        "spark.sql.parquet.binaryAsString": "true",
        "spark.sql.legacy.parquet.nanosAsLong": "true",
        "spark.sql.caseSensitive": "true",
        # Without .crc files beside every file, and without computing them.
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        # Written through paths only, see tables.py.
        "spark.sql.catalog.default_iceberg": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.default_iceberg.type": "hadoop",
        "spark.sql.catalog.default_iceberg.warehouse": f"file:{scratch}/warehouse",
        "spark.sql.catalog.default_iceberg.cache-enabled": "false",
    }
    if conf["spark.master"].startswith("local"):
        conf["spark.driver.host"] = conf["spark.driver.bindAddress"] = "127.0.0.1"
        return conf
    return conf | _of_cluster(job, conf["spark.master"], scratch)


def _of_cluster(job: Job, url: str, scratch: str) -> dict[str, str]:
    """An executor has to have of everything what the driver of `local` has: it compiles and runs the same code."""
    _, each = Budget.in_cluster(job.cpus, job.memory_bytes, executors())
    conf = {
        "spark.jars": ",".join(f"local:{jar}" for jar in own_jars()),  # each worker has its own
        "spark.cores.max": str(each.cpus * executors()),
        "spark.executor.cores": str(each.cpus),
        "spark.executor.memory": f"{each.heap // MIB}m",
        "spark.memory.offHeap.size": str(each.pages),
        "spark.executor.extraJavaOptions": " ".join([*shared_java_options(), *trust_options(scratch)]),
        "spark.executorEnv.PYTHONPATH": str(STACK),
    }
    if keep := os.environ.get("WEIR_KEEP_DIR"):  # what its page shows, for the history server
        os.makedirs(keep, exist_ok=True)
        conf |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file:{keep}"}
    if _on_loopback(url):
        conf["spark.driver.host"] = conf["spark.driver.bindAddress"] = "127.0.0.1"
    return conf


def _await_executors(spark: SparkSession, conf: dict[str, str]) -> None:
    """Where no worker has what is asked for, Spark waits in silence."""
    url, want = conf["spark.master"], executors()
    seconds = float(os.environ.get("WEIR_SPARK_WAIT") or CLUSTER_SECONDS)
    deadline = time.monotonic() + seconds
    context = spark.sparkContext._jsc.sc()
    while True:
        if context.isStopped():
            raise Failed(f"SPARK_MASTER_URL: no master answers at {url}")
        found = len(context.statusTracker().getExecutorInfos()) - 1  # the driver is one
        if found >= want:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    raise Failed(
        f"the workers of {url} took {found} of {want} executors within {seconds:.0f} s; each asks for "
        f"{conf['spark.executor.cores']} CPUs and {conf['spark.executor.memory']} of heap: ask for less (--threads, "
        "--memory), for more and smaller ones (WEIR_SPARK_EXECUTORS), or start workers that offer it"
    )


def _on_loopback(url: str) -> bool:
    host = url.removeprefix("spark://").split(",")[0].rpartition(":")[0]
    return host == "localhost" or host.startswith("127.")


def java() -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(f"{home}/bin/java" if home else "java")
    if not found:
        raise Failed("no Java; install a runtime, 17 or 21: apt-get install openjdk-17-jre-headless")
    return found


def java_options(heap: int) -> list[str]:
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    return [f"-Xmx{heap // MIB}m", *shared_java_options(), *opened]


def shared_java_options() -> list[str]:
    """Of the driver, and of executors, which Spark itself gives memory and opened packages."""
    return [
        "-XX:+UseParallelGC",
        "-XX:-DontCompileHugeMethods",  # generated code of wide projections is long, and slow uncompiled
        "-Xss4m",
        "-Djava.net.preferIPv4Stack=true",
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dlog4j2.configurationFile=file:{STACK}/log4j2.properties",
        f"-Dweir.log={'warn' if os.environ.get('WEIR_DEBUG') else 'off'}",
    ]


def own_jars() -> list[Path]:
    return [*sorted(JARS.glob("*.jar")), *sorted(JARS.glob("s3/*.jar"))]


def class_path() -> str:
    # One by one, not by `*`: the order of a wildcard is that of the folder, and a shared archive wants it fixed.
    jars = sorted(Path(pyspark.__path__[0]).glob("jars/*.jar"))
    return ":".join(map(str, [*sorted(JARS.glob("*.jar")), *jars, *sorted(JARS.glob("s3/*.jar"))]))


def _start_jvm(conf: dict[str, str], heap: int, trust: list[str], options: tuple[str, ...]) -> None:
    """Afterwards PySpark finds it by the environment."""
    folder = tempfile.mkdtemp(prefix="weir-spark-")
    told = Path(folder, "connection")
    env = {**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(told), "SPARK_CONNECT_MODE": "0"}
    if conf.get("spark.driver.host") == "127.0.0.1":
        env["SPARK_LOCAL_IP"] = "127.0.0.1"
    if not options and ARCHIVE.exists():
        options = (f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:cds*=off", "-Xlog:class+path=off")
    command = [java(), *options, *java_options(heap), *trust, *(f"-D{k}={v}" for k, v in conf.items())]
    command += ["-cp", class_path(), "org.apache.spark.api.python.PythonGatewayServer"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=env, process_group=0)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not told.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise Failed(f"Spark's JVM did not start (exit {process.returncode}); WEIR_DEBUG=1 says more")
            time.sleep(0.01)
        with told.open("rb") as f:
            os.environ["PYSPARK_GATEWAY_PORT"] = str(read_int(f))
            os.environ["PYSPARK_GATEWAY_SECRET"] = UTF8Deserializer().loads(f)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    JVM.append(process)


JVM: list[subprocess.Popen[bytes]] = []  # kept: its standard input must stay open


def open_session(job: Job, scratch: str, options: tuple[str, ...] = ()) -> SparkSession:
    """`options`: for its JVM besides, in place of the class archive."""
    budget = Budget.of(job.cpus, job.memory_bytes)
    conf = settings(job, budget, scratch)
    clustered = not conf["spark.master"].startswith("local")
    if clustered:
        budget, _ = Budget.in_cluster(job.cpus, job.memory_bytes, executors())
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = str(STACK)  # of Python workers too
    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__path__[0])))
    _start_jvm(conf, budget.heap, trust_options(scratch), options)
    try:
        spark = SparkSession.builder.getOrCreate()
    except Exception as e:
        if clustered:
            raise Failed(f"SPARK_MASTER_URL: no master answers at {conf['spark.master']} ({said(e)})") from e
        raise
    if clustered:
        _await_executors(spark, conf)
    return spark
