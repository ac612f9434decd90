"""The clickstream pipeline on PySpark and Iceberg's Spark runtime, by weir's stack contract (docs/stacks.md)."""
