"""Spark's own writers, several at once in one session: `WRITERS COMMITS TABLE URI WAREHOUSE JARS` → the ids it was told are
committed, a line each. The password of a catalog in PostgreSQL is PGPASSWORD. Run with Spark's own Python."""

import os
import sys
import threading

from spark_session import session

writers, commits, table, uri, warehouse, jars = sys.argv[1:]
catalog = {"uri": f"jdbc:{uri}", "warehouse": warehouse, "jdbc.schema-version": "V1"}
if uri.startswith("postgresql"):
    user, _, host = uri.removeprefix("postgresql://").rpartition("@")
    catalog["uri"] = f"jdbc:postgresql://{host}"
    catalog |= {"jdbc.user": user, "jdbc.password": os.environ["PGPASSWORD"]}
else:
    catalog["jdbc.busy_timeout"] = "30000"
spark = session(jars, 2, catalog)
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
