"""The Spark session: one per process, each setting with its reason."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from lambda_arch.config import Config, ConfigError

_LOGGING = Path(__file__).with_name("log4j2.properties").as_uri()
# Spark's vector code instead of whatever libblas a machine has or lacks: the same figures everywhere, no threads of its
# own, and no complaint of netlib's C code, which no log setting reaches, where there is none.
_JAVA_ALGEBRA = {f"dev.ludovic.netlib.{library}.allowNative": "false" for library in ("blas", "lapack", "arpack")}
_CHECKPOINTS = "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"


def spark_session(config: Config, name: str, master: str, driver_memory: str) -> SparkSession:
    """The session of a job. Under spark-submit its `--master`, `--jars` and memory are kept.

    Raises ConfigError where the jars are not there.
    """
    # Two BLAS threads beside any other load are two orders of magnitude slower than one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    for key, value in {**settings(config), **config.spark.conf}.items():
        builder = builder.config(key, value)
    if not under_spark_submit():
        builder = (
            builder.master(master).config("spark.driver.memory", driver_memory).config("spark.jars", _jars(config))
        )
    session: SparkSession = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    # Not by the driver's options: under spark-submit its JVM is there before them.
    for key, value in _JAVA_ALGEBRA.items():
        session.sparkContext.setSystemProperty(key, value)
    return session


def _jars(config: Config) -> str:
    folder = (config.paths.var / "jars" / "spark").resolve()
    jars = sorted(folder.glob("*.jar"))
    if not jars:
        raise ConfigError(f"no jars of Delta and Kafka in {folder}: fetch them with `lambda-arch setup`")
    return ",".join(str(jar) for jar in jars)


def under_spark_submit() -> bool:
    """Whether spark-submit started this process: the JVM is then already there."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def settings(config: Config) -> dict[str, str]:
    """Spark properties of every job."""
    local = {}
    if "://" not in config.paths.checkpoints:
        # Checksums and renames of local checkpoint files cost tens of milliseconds a batch; not for object stores.
        local = {
            "spark.sql.streaming.checkpointFileManagerClass": _CHECKPOINTS,
            "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        }
    return local | {
        "spark.sql.session.timeZone": "UTC",
        # A bad value must become null and a reason in quarantine; with ANSI on it would stop the query.
        "spark.sql.ansi.enabled": "false",
        # Java compiles no method of more bytes: one that a few more rules make longer would take twice the time.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        "spark.sql.shuffle.partitions": str(config.spark.shuffle_partitions),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Delta reads its log with 50 partitions otherwise.
        "spark.databricks.delta.snapshotPartitions": "1",
        # Delta's VACUUM lists a table's files in so many tasks: by default ten thousand, a minute on two cores.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        # Stopping a query inside a Python foreachBatch overflows the default stack.
        "spark.driver.extraJavaOptions": f"-Xss8m -XX:+UseSerialGC -Dlog4j2.configurationFile={_LOGGING}",
        "spark.executor.extraJavaOptions": " ".join(f"-D{key}={value}" for key, value in _JAVA_ALGEBRA.items()),
        "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
    }
