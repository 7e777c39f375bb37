"""Bring files into silver by a mapping in YAML."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from batch.ingest import IngestReport, ingest
from batch.mapping import IngestError, load_mapping
from lambda_arch.clock import wall_now
from lambda_arch.config import load_config
from lambda_arch.lake import Lake
from lambda_arch.session import spark_session


def ingest_files(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs, one format.")],
    mapping: Annotated[Path, typer.Option(help="What the files' columns mean, in YAML.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Map the files' rows to events, posts, titles or labels and write them to silver; broken rows to quarantine.

    The same files again add nothing.
    """
    try:
        report = run(paths, mapping)
    except IngestError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    typer.echo(dumps(asdict(report)) if json else sentence(report))


def run(paths: list[str], mapping: Path) -> IngestReport:
    """Ingest with the configuration's lake; raises IngestError."""
    config, known = load_config(), load_mapping(mapping)
    spark = spark_session(config, "ingest_files", config.spark.master, config.spark.driver_memory)
    received = wall_now()
    return ingest(Lake(spark, config.paths.lake, f"ingest-{received}"), paths, known, received, config.events)


def sentence(report: IngestReport) -> str:
    """The report for people."""
    counts = report.counts
    return (
        f"{report.mapping}: {counts.received} rows: {counts.valid} valid, {counts.new} of them new in "
        f"{report.target}; {counts.rejected} rejected into quarantine"
    )


if __name__ == "__main__":
    typer.run(ingest_files)
