"""The decision log: what was answered and why, and every answer decided again."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from deploy.topics import existing_topics
from lambda_arch.clock import rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.models import Models
from lambda_arch.store import Store, StoreError
from serving.decision_topic import Logged, logged
from serving.entries import Entry
from serving.replaying import Replay, Replayed
from serving.words import sentence

TO_LIST = 20

Entity = Annotated[str | None, typer.Option(help="Only decisions of this entity: u:ID or t:ID.")]
OfUseCase = Annotated[str | None, typer.Option("--use-case", help="Only decisions of this use case.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

app = typer.Typer(help="Logged decisions: list them, or decide all of them again.", no_args_is_help=True)


@app.command("list")
def list_decisions(
    entity: Entity = None,
    use_case: OfUseCase = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest.")] = TO_LIST,
    as_json: AsJson = False,
) -> None:
    """List the newest logged decisions: who was asked about, who answered and why."""
    config = in_use(load_config())
    newest = deque(sorted(_entries(config, entity, use_case), key=lambda entry: entry.written_at), maxlen=limit)
    if as_json:
        typer.echo(json.dumps([_row(entry) for entry in newest]))
        return
    table = Table("at", "use case", "entity", "answered, and why", box=None)
    for entry in newest:
        why = sentence(entry.use_case, entry.answer.decision)
        table.add_row(rfc3339(entry.now), entry.use_case, entry.entity, why)
    Console(highlight=False).print(table)


@app.command()
def replay(entity: Entity = None, use_case: OfUseCase = None, as_json: AsJson = False) -> None:
    """Decide every logged decision again; exit code 1 if an answer comes out otherwise, or cannot be read."""
    config = in_use(load_config())
    again, counts, otherwise = Replay(config, _models_of(config)), Counter[str](), []
    for found in _logged(config):
        if found.entry is None:
            counts["unreadable"] += 1
            otherwise.append({"partition": found.partition, "offset": found.offset, "fault": found.fault})
        elif _wanted(found.entry, entity, use_case):
            replayed = again.replayed(found.entry)
            counts[replayed.verdict] += 1
            otherwise += _differing(found, found.entry, replayed)
    told = {name.replace(" ", "_"): counts[name] for name in ("same", "in part", "different", "unreadable")}
    typer.echo(json.dumps({**told, "differences": otherwise}) if as_json else _words(told, otherwise))
    raise typer.Exit(1 if otherwise else 0)


def _entries(config: Config, entity: str | None, use_case: str | None) -> Iterator[Entry]:
    for found in _logged(config):
        if found.entry and _wanted(found.entry, entity, use_case):
            yield found.entry


def _logged(config: Config) -> Iterator[Logged]:
    existing_topics(config)  # raises BrokerError, which names the broker
    return logged(config.kafka)


def _wanted(entry: Entry, entity: str | None, use_case: str | None) -> bool:
    return entity in (None, entry.entity) and use_case in (None, entry.use_case)


def _models_of(config: Config) -> Any:
    """A generation's models out of the store; None where they are gone, or the store is away."""

    @cache
    def models(generation: int) -> Models | None:
        store = Store(config.store.url, config.store.ttl_days)
        try:
            store.ping()
            return store.models(generation)
        except StoreError:
            return None

    return models


def _differing(found: Logged, entry: Entry, replayed: Replayed) -> list[dict[str, Any]]:
    where = {"partition": found.partition, "offset": found.offset, "entity": entry.entity, "use_case": entry.use_case}
    return [{**where, "field": one.field, "logged": one.logged, "found": one.found} for one in replayed.differences]


def _row(entry: Entry) -> dict[str, Any]:
    answer = entry.answer
    return {
        "at": rfc3339(entry.now), "written_at": rfc3339(entry.written_at), "use_case": entry.use_case,
        "entity": entry.entity, "layer": answer.layer, "rule": answer.decision.rule, "policy": entry.policy,
        "lag": answer.decision.lag, "generation": answer.generation, "shown": entry.shown, "arms": entry.arms,
        "sentence": sentence(entry.use_case, answer.decision),
    }  # fmt: skip


def _words(told: dict[str, int], otherwise: list[dict[str, Any]]) -> str:
    counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items())
    return "\n".join([counted, *(json.dumps(one) for one in otherwise)])
