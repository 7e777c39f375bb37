"""Bring files and extracts of databases into silver by a mapping in YAML."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from jobs.progress import StageProgress
from lambda_arch.clock import wall_now
from lambda_arch.config import ConfigError, load_config


def ingest_files(
    mapping: Annotated[Path, typer.Option(help="What the files' columns mean, in YAML.")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Files, folders or globs, one format; none for jdbc.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be done; write nothing.")] = False,
    rejects: Annotated[int, typer.Option(min=0, help="How many of the rejected rows to show.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Map the files' rows to events, posts, titles or labels and write them to silver; broken rows to quarantine.

    The same files again add nothing.
    """
    from batch.ingestion.ingest import ingest
    from batch.ingestion.mapping import load_mapping
    from lambda_arch.lake import Lake
    from lambda_arch.session import spark_session

    config, known = load_config(), load_mapping(mapping)
    spark = spark_session(config, "ingest_files", config.spark.master, config.spark.driver_memory)
    received = wall_now()
    lake = Lake(spark, config.paths.lake, f"ingest-{received}")
    with StageProgress(lambda: _tasks(spark.sparkContext.statusTracker()), known.name) as progress:
        report = ingest(
            lake, paths or [], known, received, config.events, dry_run=dry_run, rejects=rejects, say=progress.begin
        )
    spark.stop()
    if json:
        typer.echo(dumps(asdict(report)))
    else:
        _print(asdict(report), report.sentence())


def _tasks(tracker: Any) -> tuple[int, int]:
    """Tasks done, and all tasks, of the stages that Spark is at."""
    found = (tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds())
    stages = [stage for stage in found if stage is not None]
    return sum(stage.numCompletedTasks for stage in stages), sum(stage.numTasks for stage in stages)


def _print(report: dict[str, Any], sentence: str) -> None:
    console = Console(soft_wrap=True)
    _table(console, [{**file, "file": _short(file["file"])} for file in report["files"]])
    _table(console, [{"reason": reason, "rejected": count} for reason, count in report["reasons"].items()])
    for reject in report["rejects"]:
        place = f"{_short(reject['file'])}:{reject['row']}"
        console.print(f"{place}: {reject['reason']}: {reject['record']}", highlight=False, markup=False)
    console.print(sentence, highlight=False, markup=False)


def _table(console: Console, rows: Iterable[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for nth, row in enumerate(rows):
        for name, value in row.items() if nth == 0 else ():
            table.add_column(name, justify="right" if isinstance(value, int) else "left", overflow="fold")
        table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in row.values()))
    if table.rows:
        console.print(table)


def _short(file: str) -> str:
    """A file's name as seen from here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def main() -> None:
    """Run as a job of its own: a user's mistake ends in one line."""
    from batch.ingestion.mapping import IngestError
    from lambda_arch.tables import LakeError

    try:
        typer.run(ingest_files)
    except (ConfigError, IngestError, LakeError) as error:
        sys.exit(f"ingest_files: {error}")


if __name__ == "__main__":
    main()
