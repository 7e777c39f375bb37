"""Kafka -> lake: every record of the topics into bronze, each exactly once, from there into silver, in few files."""

from __future__ import annotations

import argparse
import sys

from jobs.stopping import stop_flag
from lambda_arch.config import load_config
from lambda_arch.lake import Lake
from lambda_arch.session import spark_session
from streaming.archive import Compaction, archive
from streaming.ended import QueryEndedError
from streaming.pipeline import run_queries
from streaming.triggers import Triggers


def main() -> None:
    """Run until SIGTERM."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    stopped = stop_flag()
    config = load_config()
    spark = spark_session(config, "archive", config.spark.master, config.archive.driver_memory)
    lake = Lake(spark, config.paths.lake, run_id="archive")
    compaction = Compaction(lake, config.archive)

    def wait(seconds: float) -> None:
        compaction.when_due()
        stopped.wait(seconds)

    try:
        run_queries(archive(lake, config), stopped, Triggers(None), wait)
    except QueryEndedError as error:
        sys.exit(f"run_archive: {error}")
    spark.stop()


if __name__ == "__main__":
    main()
