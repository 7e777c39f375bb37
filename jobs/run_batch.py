"""The night: trains, measures, publishes a generation at a horizon, and flips to it."""

from __future__ import annotations

import argparse
import sys
import uuid

import msgspec
import structlog

from batch.judgement.gate import RefusedError
from batch.pipeline import run_night
from batch.publish import PublishError
from batch.reporting.aftermath import tell
from jobs.erase import gathered_if_up
from jobs.nights import REFUSED_CODE, last_midnight, now
from lambda_arch.clock import DAY, parse_rfc3339
from lambda_arch.config import ConfigError, load_config
from lambda_arch.lake import Lake
from lambda_arch.lease import NightRunsError
from lambda_arch.session import spark_session
from lambda_arch.store import Store, StoreError, store_faults
from lambda_arch.tables import LakeError


def main() -> None:
    """Run one night; exit 0 when the generation is current, 3 with the reason where it is refused, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--horizon", help="UTC midnight in RFC 3339; the clock's last one if left out")
    parser.add_argument("--lake-only", action="store_true", help="write the generation to the lake alone")
    arguments = parser.parse_args()
    try:
        run(arguments.horizon, arguments.lake_only)
    except (ConfigError, StoreError, RefusedError, PublishError, NightRunsError, LakeError) as error:
        sys.stderr.write(f"run_batch: {error}\n")
        sys.exit(REFUSED_CODE if isinstance(error, RefusedError) else 1)


def run(horizon: str | None, lake_only: bool = False) -> None:
    """The night at a horizon, or at the clock's last midnight; prints its report as one JSON line."""
    given = None if horizon is None else midnight(horizon)
    config = load_config()
    log = structlog.get_logger("night")
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    if fault := gathered_if_up(config, store):
        log.warning("erasures", told=fault)
    moment = last_midnight(now(config, store)) if given is None else given
    spark = spark_session(config, "night", config.spark.master, config.spark.driver_memory)
    lake = Lake(spark, config.paths.lake, run_id=f"night-{uuid.uuid4()}")
    with store_faults():
        report = run_night(lake, store, config, moment, lambda stage: log.info("stage", name=stage), lake_only)
    for warning in report.warnings:
        log.warning("night", told=warning)
    for use_case, verdict in report.verdicts.items():
        log.info("verdict", use_case=use_case, accepted=verdict.accepted, reasons=verdict.reasons())
    log.info("report", page=str(tell(lake, store.generations(), config, report.generation)))
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
