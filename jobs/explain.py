"""Ask why the answers to a user, or about a title, are what they are, on the console."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from jobs.predict import Kind
from lambda_arch.config import load_config


def explain(
    kind: Annotated[Kind, typer.Argument(help="What to ask about.")],
    id: Annotated[str, typer.Argument(help="Its id.")],
    text: Annotated[str | None, typer.Option(help="A post whose words are to be explained.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Print both layers' part in the answers, and what each answer is made of."""
    from deploy.servers import in_use
    from serving import questions

    found = asyncio.run(questions.explain(in_use(load_config()), kind.value, id, text))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        questions.show_explanation(found)


if __name__ == "__main__":
    typer.run(explain)
