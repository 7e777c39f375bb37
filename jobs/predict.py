"""Ask for one user's or title's predictions on the console: the API's very code, without HTTP."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambda_arch.config import Config, load_config
from lambda_arch.records import TITLE_USE_CASES, USER_USE_CASES
from lambda_arch.store import AsyncStore, StoreError
from serving.answers import Answers
from serving.replies import EntityReply, LayersReply, layers

_SHOWN = 5


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
    try:
        reply = asyncio.run(asked(load_config(), kind, id))
    except StoreError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    if json:
        typer.echo(reply.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    for use_case, found in reply.use_cases.items():
        console.print(table(use_case, found))
        console.print(found.answer.decision.sentence, markup=False)
        console.print()


async def asked(config: Config, kind: Kind, id: str) -> EntityReply:
    """Every use case of the user or title; raises StoreError where the store is away."""
    answers = Answers(AsyncStore(config.store.url), config)
    use_cases = USER_USE_CASES if kind is Kind.USER else TITLE_USE_CASES
    try:
        view = await answers.view(f"{kind[0]}:{id}", use_cases)
        return layers(view, [answers.answer_of(view, use_case) for use_case in use_cases])
    finally:
        await answers.close()


def table(use_case: str, found: LayersReply) -> Table:
    """The answer and both layers' records side by side."""
    shown = Table(title=use_case, title_justify="left")
    for heading in ("", "answer", "batch", "speed"):
        shown.add_column(heading, overflow="fold")
    columns = [found.answer.model_dump(), found.batch or {}, found.speed or {}]
    for name in ("layer", "model", "model_version", "generation", "as_of", "evidence"):
        shown.add_row(name, *(_text(column.get(name)) for column in columns))
    shown.add_row("age", f"{found.answer.age_seconds:.0f} s" if found.answer.age_seconds is not None else "", "", "")
    values = [value if isinstance(value := column.get("value"), dict) else {} for column in columns]
    for name in dict.fromkeys(name for value in values for name in value):
        shown.add_row(escape(name), *(_text(value.get(name)) for value in values))
    return shown


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join([*(_entry(entry) for entry in value[:_SHOWN]), *(["…"] if len(value) > _SHOWN else [])])
    return "" if value is None else escape(str(value))


def _entry(entry: Any) -> str:
    return escape(f"{entry['title_id']} {entry['name'] or ''}".strip() if isinstance(entry, dict) else str(entry))


if __name__ == "__main__":
    typer.run(predict)
