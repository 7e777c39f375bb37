"""Nights of a range of days, one after the other."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Annotated

import typer

from lambda_arch.clock import DAY, micros
from lambda_arch.config import Config, load_config
from lambda_arch.store import Store

Day = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first night's horizon: 00:00 UTC.")]
LastDay = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last night's horizon.")]


def backfill(first: Day, last: LastDay) -> None:
    """Run the nights of a range in order, those that are in the lake already left out; stops at the first that fails.

    A night before the generation in service is written to the lake alone; readers keep what they have.
    """
    from jobs.nights import in_own_process, run_in_order

    begin, end = (micros(day.replace(tzinfo=UTC)) for day in (first, last))
    if end < begin:
        raise typer.BadParameter("--to lies before --from")
    config = load_config()
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    there = horizons_in_lake(config)
    missing = [horizon for horizon in range(begin, end + 1, DAY) if horizon not in there]
    typer.echo(f"{len(missing)} nights to run, {(end - begin) // DAY + 1 - len(missing)} are there already")
    current = store.generations().current_horizon
    run_in_order(
        missing,
        lambda horizon: in_own_process(horizon, *(["--lake-only"] if horizon < current else [])),
        typer.echo,
    )


def horizons_in_lake(config: Config) -> set[int]:
    """Horizons of the generations in the lake, by a process of its own: Spark's memory returns with its end."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_horizons, config).result()


def _horizons(config: Config) -> set[int]:
    from lambda_arch.clock import parse_rfc3339
    from lambda_arch.lake import GENERATIONS, Lake
    from lambda_arch.session import spark_session

    spark = spark_session(config, "backfill", config.spark.master, config.spark.driver_memory)
    lake = Lake(spark, config.paths.lake, "backfill")
    if not lake.exists(GENERATIONS):
        return set()
    return {parse_rfc3339(row.horizon) for row in lake.read(GENERATIONS).select("horizon").collect()}
