"""The scheduler: runs the nights that are due, at the configured time of day and at its start."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
import typer
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from jobs.nights import NightError, due, in_own_process, now, run_in_order
from jobs.stopping import stop_flag
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.store import STORE_ERRORS, Store, StoreError


def schedule() -> None:
    """Run the nights at their time, every night, until stopped; those missed are caught up in order."""
    config = load_config()
    scheduler = BackgroundScheduler(timezone="UTC")
    # Coalesced and one at a time: a night that takes until the next is due is followed by one run, which catches up.
    scheduler.add_job(
        catch_up, trigger(config), [config], max_instances=1, coalesce=True, misfire_grace_time=None,
        next_run_time=datetime.now(UTC),
    )  # fmt: skip
    stopped = stop_flag()
    scheduler.start()
    stopped.wait()
    scheduler.shutdown(wait=False)


def trigger(config: Config) -> CronTrigger:
    """When nights run; raises ConfigError for what is not five fields of cron."""
    try:
        return CronTrigger.from_crontab(config.schedule.cron, timezone="UTC")
    except ValueError as error:
        raise ConfigError(f"setting schedule.cron: {error}, have {config.schedule.cron!r}") from None


def catch_up(config: Config) -> None:
    """Run what is due by the store's current generation; what fails is said, and due again the next time."""
    log = structlog.get_logger("schedule")
    try:
        store = Store(config.store.url, config.store.ttl_days)
        store.ping()
        horizons = due(store.generations().current_horizon, now(config, store), config.schedule.most_nights)
        run_in_order(horizons, in_own_process, lambda line: log.info("night", ended=line))
    except (NightError, StoreError, *STORE_ERRORS) as error:
        log.error("nights", reason=str(error))


if __name__ == "__main__":
    typer.run(schedule)
