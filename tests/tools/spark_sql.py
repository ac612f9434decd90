"""Runs SQL in Spark with Iceberg over a lake: statements on standard input, separated by `;` and a line end.
Each query's rows are printed as a JSON array; statements without rows as []. Run by spark.py with
Spark's own Python."""

import json
import sys

from spark_session import session

lake, jars, schema_version = sys.argv[1:4]
catalog = {"uri": f"jdbc:sqlite:{lake}/catalog.db", "warehouse": f"file://{lake}/warehouse"}
if schema_version == "V1":
    catalog["jdbc.schema-version"] = "V1"
spark = session(jars, 1, catalog)
spark.sparkContext.setLogLevel("ERROR")
print("ready", flush=True)
for line in sys.stdin:
    try:
        rows = spark.sql(line.strip()).collect()
        print(json.dumps([[str(v) if v is not None else None for v in row] for row in rows]), flush=True)
    except Exception as e:  # the test says what it expected
        print(json.dumps({"error": str(e)}), flush=True)
