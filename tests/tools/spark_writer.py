"""Spark's own writers, several at once in one session: `WRITERS COMMITS TABLE URI WAREHOUSE JARS` → the ids it was told are
committed, a line each. The password of a catalog in PostgreSQL is PGPASSWORD. Run with Spark's own Python."""

import os
import pathlib
import sys
import threading

from pyspark.sql import SparkSession

writers, commits, table, uri, warehouse, jars = sys.argv[1:]
builder = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars", ",".join(str(p) for p in pathlib.Path(jars).glob("*.jar")))
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "1g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.catalog.weir", "org.apache.iceberg.spark.SparkCatalog")
    .config("spark.sql.catalog.weir.type", "jdbc")
    .config("spark.sql.catalog.weir.uri", "jdbc:" + uri)
    .config("spark.sql.catalog.weir.jdbc.schema-version", "V1")
    .config("spark.sql.catalog.weir.warehouse", warehouse)
    .config("spark.sql.catalog.weir.cache-enabled", "false")
)
if uri.startswith("postgresql"):
    host = uri.removeprefix("postgresql://")
    user, _, host = host.rpartition("@")
    builder = builder.config("spark.sql.catalog.weir.uri", f"jdbc:postgresql://{host}")
    builder = builder.config("spark.sql.catalog.weir.jdbc.user", user)
    builder = builder.config("spark.sql.catalog.weir.jdbc.password", os.environ["PGPASSWORD"])
else:
    builder = builder.config("spark.sql.catalog.weir.jdbc.busy_timeout", "30000")
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
said = threading.Lock()


def write(writer: int) -> None:
    for n in range(int(commits)):
        name = f"spark-{writer}-{n}"
        values = (
            f"'{name}', 's', 's-0', 1, timestamp'2024-01-02 03:04:05', timestamp'2024-01-02 03:04:05',"
            " '/', NULL, 'desktop', NULL, 'ZZ'"
        )
        while True:
            try:
                spark.sql(f"insert into weir.{table} values ({values})")
                break
            except Exception as e:
                # Others were quicker too often: nothing was committed. Any other error is one.
                if "CommitFailedException" not in str(e):
                    raise
        with said:
            print(name, flush=True)


threads = [threading.Thread(target=write, args=(n,)) for n in range(int(writers))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
spark.stop()
