"""Answers for the console: the API's very code, without HTTP."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambda_arch.config import Config
from lambda_arch.reads import AsyncStore
from lambda_arch.records import UseCase
from serving.answers import Answers
from serving.replies import EntityReply, LayersReply, layers

_SHOWN = 5
_FIELDS = ("layer", "model", "model_version", "generation", "as_of", "evidence")


async def ask(config: Config, entity: str, use_cases: tuple[UseCase, ...]) -> EntityReply:
    """Answers and both layers' records of `u:ID` or `t:ID`; raises StoreError where the store is away."""
    answers = Answers(AsyncStore(config.store.url), config)
    try:
        view = await answers.view(entity, use_cases)
        return layers(view, [answers.answer_of(view, use_case) for use_case in use_cases])
    finally:
        await answers.close()


def show(reply: EntityReply) -> None:
    """Print a table per use case and, below it, why this layer answers."""
    console = Console(highlight=False)
    for use_case, found in reply.use_cases.items():
        console.print(table(use_case, found))
        console.print(found.answer.decision.sentence, markup=False)
        console.print()


def table(use_case: str, found: LayersReply) -> Table:
    """The answer and both layers' records side by side."""
    shown = Table(title=use_case, title_justify="left")
    for heading in ("", "answer", "batch", "speed"):
        shown.add_column(heading, overflow="fold")
    columns = [found.answer.model_dump(), found.batch or {}, found.speed or {}]
    for name in _FIELDS:
        shown.add_row(name, *(_text(column.get(name)) for column in columns))
    age = found.answer.age_seconds
    shown.add_row("age", "" if age is None else f"{age:.0f} s", "", "")
    values = [value if isinstance(value := column.get("value"), dict) else {} for column in columns]
    for name in dict.fromkeys(name for value in values for name in value):
        shown.add_row(escape(name), *(_text(value.get(name)) for value in values))
    return shown


def _text(value: Any) -> str:
    if isinstance(value, list):
        more = ["…"] if len(value) > _SHOWN else []
        return "\n".join([*(_entry(entry) for entry in value[:_SHOWN]), *more])
    if isinstance(value, dict) and "title_id" not in value:
        return "\n".join(f"{escape(name)} {_part(part)}" for name, part in value.items())
    return "" if value is None else _entry(value)


def _part(part: Any) -> str:
    # Each title has a line; counts and figures share theirs.
    has_titles = isinstance(part, list) and any(isinstance(entry, dict | str) for entry in part)
    return _text(part) if has_titles else _entry(part)


def _entry(entry: Any) -> str:
    if not isinstance(entry, dict):
        return escape(str(entry))
    if "title_id" in entry:
        return escape(f"{entry['title_id']} {entry.get('name') or ''}".strip())
    return escape(", ".join(f"{name} {part}" for name, part in entry.items()))
