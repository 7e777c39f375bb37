"""Bring files into silver by a mapping in YAML."""

from __future__ import annotations

import sys
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from lambda_arch.clock import wall_now
from lambda_arch.config import ConfigError, load_config


def ingest_files(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs, one format.")],
    mapping: Annotated[Path, typer.Option(help="What the files' columns mean, in YAML.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Map the files' rows to events, posts, titles or labels and write them to silver; broken rows to quarantine.

    The same files again add nothing.
    """
    from batch.ingest import ingest
    from batch.mapping import load_mapping
    from lambda_arch.lake import Lake
    from lambda_arch.session import spark_session

    config, known = load_config(), load_mapping(mapping)
    spark = spark_session(config, "ingest_files", config.spark.master, config.spark.driver_memory)
    received = wall_now()
    report = ingest(Lake(spark, config.paths.lake, f"ingest-{received}"), paths, known, received, config.events)
    spark.stop()
    typer.echo(dumps(asdict(report)) if json else report.sentence())


def main() -> None:
    """Run as a job of its own: a user's mistake ends in one line."""
    from batch.mapping import IngestError

    try:
        typer.run(ingest_files)
    except (ConfigError, IngestError) as error:
        sys.exit(f"ingest_files: {error}")


if __name__ == "__main__":
    main()
