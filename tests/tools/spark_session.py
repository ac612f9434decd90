"""A Spark session with Iceberg's catalog `weir`, for the scripts here that Spark's own Python runs."""

import pathlib

from pyspark.sql import SparkSession


def session(jars: str, cores: int, catalog: dict[str, str]) -> SparkSession:
    """`jars`: their folder. `catalog`: its properties, as in Iceberg's JdbcCatalog."""
    settings = {
        "jars": ",".join(str(p) for p in pathlib.Path(jars).glob("*.jar")),
        "ui.enabled": "false",
        "driver.memory": "1g",
        "driver.host": "127.0.0.1",
        "driver.bindAddress": "127.0.0.1",
        "sql.shuffle.partitions": "1",
        "sql.session.timeZone": "UTC",
        "sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "sql.catalog.weir": "org.apache.iceberg.spark.SparkCatalog",
        "sql.catalog.weir.type": "jdbc",
        "sql.catalog.weir.cache-enabled": "false",
        **{f"sql.catalog.weir.{name}": value for name, value in catalog.items()},
    }
    builder = SparkSession.builder.master(f"local[{cores}]")
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    return builder.getOrCreate()
