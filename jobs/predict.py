"""Ask for one user's or title's predictions on the console."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from lambda_arch.config import load_config


class Kind(StrEnum):
    """What can be asked about."""

    USER = "user"
    TITLE = "title"


def predict(
    kind: Annotated[Kind, typer.Argument(help="What to ask about.")],
    id: Annotated[str, typer.Argument(help="Its id.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print the predictions for a user or a title: the answer, both layers' records, and why this layer."""
    from deploy.servers import in_use
    from lambda_arch.records import TITLE_USE_CASES, USER_USE_CASES
    from serving.console import ask, show

    entity, use_cases = (f"u:{id}", USER_USE_CASES) if kind is Kind.USER else (f"t:{id}", TITLE_USE_CASES)
    reply = asyncio.run(ask(in_use(load_config()), entity, use_cases))
    if json:
        typer.echo(reply.model_dump_json(indent=2))
    else:
        show(reply)


if __name__ == "__main__":
    typer.run(predict)
