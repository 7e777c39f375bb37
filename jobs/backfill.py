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
    from jobs.nights import in_own_process, missing, run_in_order

    begin, end = (micros(day.replace(tzinfo=UTC)) for day in (first, last))
    if end < begin:
        raise typer.BadParameter("--to lies before --from")
    config = load_config()
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    in_lake, pointer = generations_in_lake(config), store.generations()
    days = range(begin, end + 1, DAY)
    horizons = missing(days, in_lake, pointer)
    typer.echo(f"{len(horizons)} nights to run, {len(days) - len(horizons)} are there already")
    run_in_order(
        horizons,
        lambda horizon: in_own_process(horizon, *(["--lake-only"] if horizon < pointer.current_horizon else [])),
        typer.echo,
    )


def generations_in_lake(config: Config) -> dict[int, int]:
    """The horizon of every generation in the lake, by a process of its own: Spark's memory returns with its end."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_generations, config).result()


def _generations(config: Config) -> dict[int, int]:
    from batch.pipeline import published
    from lambda_arch.lake import Lake
    from lambda_arch.session import spark_session
    from lambda_arch.tables import GENERATIONS

    spark = spark_session(config, "backfill", config.spark.master, config.spark.driver_memory)
    lake = Lake(spark, config.paths.lake, "backfill")
    return published(lake) if lake.exists(GENERATIONS) else {}
