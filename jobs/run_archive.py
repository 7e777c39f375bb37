"""Kafka -> bronze: appends every record of the topics to the lake, each exactly once."""

from __future__ import annotations

import argparse

from jobs.stopping import stop_flag
from lambda_arch.config import load_config
from lambda_arch.session import spark_session
from streaming.pipeline import archive, run_queries
from streaming.triggers import Triggers


def main() -> None:
    """Run until SIGTERM."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    stopped = stop_flag()
    config = load_config()
    spark = spark_session(config, "archive", config.spark.master, config.archive.driver_memory)
    run_queries(archive(spark, config, run_id="archive"), stopped, Triggers(None))
    spark.stop()


if __name__ == "__main__":
    main()
