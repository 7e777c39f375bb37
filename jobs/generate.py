"""Make a service's events, posts and catalogue from a seed, with the truth behind them."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lambda_arch.clock import parse_rfc3339

USER_FAULT = 2
POSTS_PER_EVENT = 0.02
MILLI = 1000


def generate(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.")],
    events: Annotated[int, typer.Option(help="How many events, duplicates included.")] = 1_000_000,
    users: Annotated[int, typer.Option(help="How many users.")] = 10_000,
    titles: Annotated[int, typer.Option(help="How many titles.")] = 2_000,
    days: Annotated[int, typer.Option(help="How many days the events cover.")] = 90,
    start: Annotated[str, typer.Option(help="The first moment, in RFC 3339.")] = "2026-01-01T00:00:00Z",
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    posts: Annotated[int | None, typer.Option(help="How many posts; 2 for 100 events if left out.")] = None,
    duplicates: Annotated[float, typer.Option(help="Share of the events that are sent again.")] = 0.01,
    disorder: Annotated[float, typer.Option(help="Share of the events that others overtake.")] = 0.05,
    late: Annotated[float, typer.Option(help="Share of the events that arrive 1 to 3 days late.")] = 0.01,
    lines: Annotated[bool, typer.Option("--lines", help="Also JSON lines, for produce.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Make events, posts, titles and labels as Parquet with their mappings, and the hidden truth; from a seed."""
    from generate.pipeline import generate as generated
    from generate.plan import GenerateError, Plan

    try:
        said = events * POSTS_PER_EVENT if posts is None else posts
        plan = Plan(events, users, titles, days, _millis(start), seed, round(said), duplicates, disorder, late)
        with _progress() as progress:
            task = progress.add_task("events", total=events)
            report = generated(plan, folder, lines, lambda more: progress.advance(task, more))
    except (GenerateError, ValueError) as error:
        typer.echo(f"lambda-arch: {error}", err=True)
        raise typer.Exit(USER_FAULT) from None
    if json:
        typer.echo(dumps(asdict(report)))
    else:
        _print(asdict(report))


def _millis(start: str) -> int:
    try:
        return parse_rfc3339(start) // MILLI
    except ValueError as error:
        raise ValueError(f"start: {error}; want RFC 3339, such as 2026-01-01T00:00:00Z") from None


def _progress() -> Progress:
    """A bar on stderr; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print(report: dict[str, object]) -> None:
    by_type = report.pop("by_type")
    table = Table("what", "how much", box=None, pad_edge=False)
    for name, amount in {**report, **(by_type if isinstance(by_type, dict) else {})}.items():
        table.add_row(name.replace("_", " "), f"{amount:,}" if isinstance(amount, int | float) else str(amount))
    Console().print(table)
