"""The speed layer's Spark application: gate (realtime) or gate and apply (microbatch), as `speed.mode` says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from jobs.stopping import stop_flag
from lambda_arch.config import ConfigError, load_config
from lambda_arch.records import UnknownSchemaError
from lambda_arch.session import spark_session
from lambda_arch.store import Store, StoreError
from streaming.announcer import AnnounceError
from streaming.ended import QueryEndedError
from streaming.metrics import QueryMetrics
from streaming.pipeline import microbatch, realtime, run_queries
from streaming.silent import Silent
from streaming.triggers import Trigger, Triggers


def main() -> None:
    """Run until SIGTERM."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    stopped = stop_flag()
    config = load_config()
    spark = spark_session(config, "speed", config.speed.master, config.speed.driver_memory)
    try:
        triggers = Triggers(
            Store(config.store.url, config.store.ttl_days), hear=_heard(config.speed.query_metrics_port)
        )
        if config.speed.mode == "realtime":
            run_queries(realtime(spark, config), stopped, triggers)
        else:
            run_queries(microbatch(spark, config), stopped, triggers, Silent(config, stopped).walk)
    except (ConfigError, StoreError, UnknownSchemaError, AnnounceError, QueryEndedError) as error:
        sys.exit(f"run_speed: {error}")
    spark.stop()


def _heard(port: int) -> Callable[[Trigger], object]:
    """What is told of triggers, on the port; 0 is none."""
    metrics = QueryMetrics()
    if port:
        metrics.serve([port], "query_metrics_port")
    return lambda trigger: metrics.last.update({trigger.query: trigger})


if __name__ == "__main__":
    main()
