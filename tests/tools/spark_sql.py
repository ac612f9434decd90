"""Runs SQL in Spark with Iceberg over a lake: statements on standard input, separated by `;` and a line end.
Each query's rows are printed as a JSON array; statements without rows as []. Run by spark.py with
Spark's own Python."""

import json
import pathlib
import sys

from pyspark.sql import SparkSession

lake, jars, schema_version = sys.argv[1:4]
builder = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", ",".join(str(p) for p in pathlib.Path(jars).glob("*.jar")))
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "1g")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
    .config("spark.sql.catalog.weir", "org.apache.iceberg.spark.SparkCatalog")
    .config("spark.sql.catalog.weir.type", "jdbc")
    .config("spark.sql.catalog.weir.uri", f"jdbc:sqlite:{lake}/catalog.db")
    .config("spark.sql.catalog.weir.warehouse", f"file://{lake}/warehouse")
    .config("spark.sql.catalog.weir.cache-enabled", "false")
)
if schema_version == "V1":
    builder = builder.config("spark.sql.catalog.weir.jdbc.schema-version", "V1")
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
print("ready", flush=True)
for line in sys.stdin:
    try:
        rows = spark.sql(line.strip()).collect()
        print(json.dumps([[str(v) if v is not None else None for v in row] for row in rows]), flush=True)
    except Exception as e:  # the test says what it expected
        print(json.dumps({"error": str(e)}), flush=True)
