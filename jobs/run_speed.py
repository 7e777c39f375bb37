"""The speed layer's Spark application: gate (realtime) or gate and apply (microbatch), as `speed.mode` says."""

from __future__ import annotations

import argparse

from jobs.stopping import stop_flag
from lambda_arch.config import load_config
from lambda_arch.session import spark_session
from streaming.pipeline import microbatch, realtime, run_queries


def main() -> None:
    """Run until SIGTERM."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    stopped = stop_flag()
    config = load_config()
    spark = spark_session(config, "speed", config.speed.master, config.speed.driver_memory)
    start = realtime if config.speed.mode == "realtime" else microbatch
    run_queries(start(spark, config), stopped)
    spark.stop()


if __name__ == "__main__":
    main()
