"""Titles that are talked about more or less than usual for themselves."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lambda_arch.config import Config, load_config
from serving.trends import Talk, TrendingReply


def trending(
    n: Annotated[int, typer.Option("-n", help="Of each direction, at the most.", min=1, max=100)] = 20,
    hours: Annotated[float, typer.Option(help="Titles with a post in so many.", min=0.01)] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print titles that rise and titles that fall, the most unusual first."""
    from deploy.servers import in_use

    reply = asyncio.run(_asked(in_use(load_config()), hours, n))
    if as_json:
        typer.echo(reply.model_dump_json(indent=2))
        return
    table = Table("title", "name", "", "posts in 24 h", "usual", "standard errors", "as of", box=None)
    for one in reply.titles:
        figures = (str(one.posts), f"{one.usual:.1f}", f"{one.score:+.1f}", one.as_of)
        table.add_row(one.title_id, one.name or "", one.direction, *figures)
    Console(highlight=False).print(table)


async def _asked(config: Config, hours: float, count: int) -> TrendingReply:
    from lambda_arch.reads import AsyncStore
    from serving.answers import Answers

    store = AsyncStore(config.store.url)
    answers = Answers(store, config)
    try:
        return await Talk(store, answers).of_late(hours, count, None)
    finally:
        await answers.close()


if __name__ == "__main__":
    typer.run(trending)
