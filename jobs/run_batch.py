"""The night: trains, measures, publishes a generation at a horizon, and flips to it."""

from __future__ import annotations

import argparse
import sys
import uuid

import msgspec
import structlog

from batch.gate import RefusedError
from batch.pipeline import run_night
from batch.publish import PublishError
from lambda_arch.clock import DAY, parse_rfc3339
from lambda_arch.config import ConfigError, load_config
from lambda_arch.lake import Lake
from lambda_arch.session import spark_session
from lambda_arch.store import Store, StoreError


def main() -> None:
    """Run one night; exit 0 when the generation is current, 1 with the reason otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--horizon", required=True, help="UTC midnight in RFC 3339, such as 2016-01-01T00:00:00Z")
    arguments = parser.parse_args()
    try:
        run(arguments.horizon)
    except (ConfigError, StoreError, RefusedError, PublishError) as error:
        sys.exit(f"run_batch: {error}")


def run(horizon: str) -> None:
    """The night at a horizon; prints its report as one JSON line."""
    moment = midnight(horizon)
    config = load_config()
    log = structlog.get_logger("night")
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    spark = spark_session(config, "night", config.spark.master, config.spark.driver_memory)
    lake = Lake(spark, config.paths.lake, run_id=f"night-{uuid.uuid4()}")
    report = run_night(lake, store, config, moment, say=lambda stage: log.info("stage", name=stage))
    spark.stop()
    print(msgspec.json.encode(report).decode())  # noqa: T201


def midnight(horizon: str) -> int:
    """The horizon in microseconds; raises ConfigError unless it is a UTC midnight: tiles are whole days."""
    try:
        moment = parse_rfc3339(horizon)
    except ValueError as error:
        raise ConfigError(f"--horizon {horizon}: {error}") from None
    if moment % DAY:
        raise ConfigError(f"--horizon {horizon}: want a UTC midnight, such as 2016-01-01T00:00:00Z")
    return moment


if __name__ == "__main__":
    main()
