"""Ask for the titles that somebody is recommended, by rules and by parameters, on the console."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from lambda_arch.config import load_config


def recommend(
    user: Annotated[str | None, typer.Argument(help="A viewer's id; or give titles by --session.")] = None,
    session: Annotated[
        list[str] | None, typer.Option(help="A title of somebody without an id, the newest first; may be repeated.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, max=100, help="How many titles at the most.")] = 10,
    offset: Annotated[int, typer.Option(min=0, max=1000, help="How many of the list to pass over.")] = 0,
    include: Annotated[list[str] | None, typer.Option(help="Only these titles; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not these titles; may be repeated.")] = None,
    genre: Annotated[list[str] | None, typer.Option(help="Only of this genre; may be repeated.")] = None,
    max_rating: Annotated[str | None, typer.Option(help="Only what is fit for this age or rating.")] = None,
    country: Annotated[str | None, typer.Option(help="Only what may be shown there (DE).")] = None,
    diversity: Annotated[float | None, typer.Option(min=0, max=1, help="0: by score; 1: by variety.")] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Show again what was seen.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each is here, and what rules removed.")] = False,
    placement: Annotated[str | None, typer.Option(help="Whose rules apply.")] = None,
    new: Annotated[int, typer.Option(min=0, max=100, help="How many titles that came up since the night.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print what a viewer, or somebody by the titles of a session, is recommended."""
    from deploy.servers import in_use
    from serving.questions import recommend_session, recommend_user, show_list
    from serving.rules.wish import Wish

    if (user is None) == (not session):
        raise typer.BadParameter("want either a viewer's id or titles by --session")
    wish = Wish(
        n=n, offset=offset, include=tuple(include or ()), exclude=tuple(exclude or ()), genre=tuple(genre or ()),
        max_rating=max_rating, country=country, diversity=diversity, seen=seen, explain=explain, placement=placement,
        new=new,
    )  # fmt: skip
    config = in_use(load_config())
    asked = recommend_session(config, session or [], wish) if user is None else recommend_user(config, user, wish)
    found = asyncio.run(asked)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        show_list(found)


if __name__ == "__main__":
    typer.run(recommend)
