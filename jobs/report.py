"""A generation's report, and the registry's catching up: both from what the lake keeps."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from lambda_arch.config import Config, load_config
from lambda_arch.store import Store

registry_app = typer.Typer(help="The registry of runs and models (MLflow).", no_args_is_help=True)


def report(
    generation: Annotated[int | None, typer.Argument(help="The generation; the current one if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report itself, as JSON.")] = False,
) -> None:
    """Print where a generation's report lies, a page with JSON beside it; it is written if it is not there."""
    from batch.reporting.aftermath import reported

    config = load_config()
    number = _store(config).generations().current if generation is None else generation
    page = config.paths.reports / f"{number}.html"
    if not page.exists():
        with opened_lake(config) as lake:
            page = reported(lake, config, number, "not asked: this page was written later than its night")
    typer.echo(page.with_suffix(".json").read_text("utf-8") if as_json else str(page))


@registry_app.command("sync")
def sync() -> None:
    """Record the generations that the registry lacks, and let its aliases follow the store's pointer."""
    from batch.reporting.aftermath import recorded

    config = load_config()
    pointer = _store(config).generations()
    with opened_lake(config) as lake:
        outcome = recorded(lake, pointer, config)
    typer.echo(outcome.words, err=not outcome.well)
    raise typer.Exit(0 if outcome.well else 1)


def _store(config: Config) -> Store:
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    return store


@contextmanager
def opened_lake(config: Config, name: str = "report") -> Iterator[Any]:
    """The lake, for as long as Spark is needed; `name` is who writes to it."""
    from lambda_arch.lake import Lake
    from lambda_arch.session import spark_session

    with stdout_apart():
        spark = spark_session(config, name, config.spark.master, config.spark.driver_memory)
    try:
        yield Lake(spark, config.paths.lake, f"{name}-{uuid.uuid4()}")
    finally:
        spark.stop()


@contextmanager
def stdout_apart() -> Iterator[None]:
    """What processes that start meanwhile print goes to stderr: Java's words are no part of a command's answer."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(own, 1)
        os.close(own)
