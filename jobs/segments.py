"""Segments: which there are, and everybody who is in one, to a file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lambda_arch.config import load_config
from serving.rows import Format

app = typer.Typer(help="Segments: list them, write the members of one to a file.", no_args_is_help=True)


@app.command("list")
def list_segments(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the segments in service: number, name, members, and what sets each apart."""
    from deploy.servers import in_use
    from serving.lists_shown import segments

    reply = asyncio.run(segments(in_use(load_config())))
    if as_json:
        typer.echo(reply.model_dump_json(indent=2))
        return
    table = Table("segment", "name", "members", "what sets it apart", box=None)
    for one in reply.segments:
        table.add_row(str(one.segment), one.name, str(one.members), "\n".join(trait.words for trait in one.traits))
    Console(highlight=False).print(table)


@app.command()
def members(
    segment: Annotated[int, typer.Argument(help="The segment's number.", min=0)],
    out: Annotated[Path | None, typer.Option(help="The file; standard output if left out.")] = None,
    format: Annotated[Format, typer.Option(help="Of the file.")] = Format.CSV,
) -> None:
    """Write everybody who is in a segment by what both layers say, however many, as they are read."""
    from deploy.servers import in_use
    from serving.lists_shown import members as write

    config, console = in_use(load_config()), Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed} members"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("members", total=None)

        def tell(count: int) -> None:
            progress.update(task, completed=count)

        if out is None:
            count = asyncio.run(write(config, segment, sys.stdout.buffer, format, tell))
        else:
            unfinished = out.with_name(f"{out.name}.unfinished")
            with unfinished.open("wb") as file:
                count = asyncio.run(write(config, segment, file, format, tell))
            unfinished.replace(out)
    typer.echo(f"{count} members of segment {segment}", err=True)


if __name__ == "__main__":
    app()
