"""Those about to leave, the likeliest first."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lambda_arch.config import load_config


def at_risk(
    n: Annotated[int, typer.Option("-n", help="How many.", min=1, max=100_000)] = 20,
    cutoff: Annotated[
        float | None, typer.Option(help="The least probability; the model's if left out.", min=0, max=1)
    ] = None,
    cost: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="What it costs to call in vain, and to miss one who leaves: the cutoff is where it is least."
        ),
    ] = None,
    segment: Annotated[int | None, typer.Option(help="Of this segment alone.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print those about to leave by what both layers say, the likeliest first."""
    from deploy.servers import in_use
    from serving.lists_shown import at_risk as ranked
    from serving.tradeoff import Costs

    if cost and cutoff is not None:
        raise typer.BadParameter("want either --cutoff or --cost")
    found = asyncio.run(ranked(in_use(load_config()), n, cutoff, Costs(*cost) if cost else None, segment))
    rows = [
        {"user_id": answer.entity[2:], "probability": answer.value["probability"], "layer": answer.layer,
         "as_of": answer.as_of}
        for answer in found.answers
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("user", "probability", "layer", "as of", box=None)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    typer.run(at_risk)
