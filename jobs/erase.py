"""Erasures: who waits to be erased from the lake, and the erasing, which every night does as well."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from jobs.report import opened_lake
from lambda_arch.config import Config, load_config
from lambda_arch.store import Store, store_faults


def erase(
    apply: Annotated[bool, typer.Option("--apply", help="Delete from the lake and the announcements now.")] = False,
    vacuum_hours: Annotated[
        float | None,
        typer.Option(min=0, help="Then remove files that no version of the last hours needs; 0 while nothing runs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Count the erasures that were asked for; with --apply delete what lake and broker still have of these people."""
    from deploy.servers import in_use

    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    with store_faults():
        erasures = gathered(config, store)
    if not apply:
        told = {"erasures": len(erasures), "newest": max((e.asked_at for e in erasures), default=None)}
        sentence = f"{len(erasures)} people were erased, the last at {told['newest']}; --apply deletes their rows now"
        typer.echo(json.dumps(told) if as_json else sentence)
        return
    rows, withdrawn = _applied(config, erasures, vacuum_hours)
    done = {"erasures": len(erasures), "rows": rows, "withdrawn": withdrawn}
    sentence = ", ".join([f"{count} rows of {table}" for table, count in rows.items()] or ["nothing in the lake"])
    typer.echo(json.dumps(done) if as_json else f"deleted: {sentence}; {withdrawn} announcements withdrawn")


def gathered(config: Config, store: Store) -> list[Any]:
    """The erasures of store and topic together, which the store has then; raises BrokerError or TopicError."""
    from deploy.topics import existing_topics
    from lambda_arch.forgetting import note, noted
    from streaming.erased import registered

    if config.kafka.topics.erasures in existing_topics(config):
        note(store, registered(config).values())
    return list(noted(store).values())


def gathered_if_up(config: Config, store: Store) -> str | None:
    """As `gathered`; without a broker what that means. The store's and the lake's erasures are known without it."""
    from deploy.topics import BrokerError
    from lambda_arch.topic_reader import TopicError

    try:
        gathered(config, store)
    except (BrokerError, TopicError) as error:
        return f"{error}; erasures that store and lake do not know wait for `lambda-arch erase --apply`"
    return None


def _applied(config: Config, erasures: list[Any], vacuum_hours: float | None) -> tuple[dict[str, int], int]:
    from batch.erasing import erase as erase_rows
    from batch.erasing import vacuum
    from streaming.erased import withdraw

    with opened_lake(config, "erase") as lake:
        rows = erase_rows(lake, erasures, config)
        if vacuum_hours is not None and rows:
            vacuum(lake, vacuum_hours)
    return rows, withdraw(config, erasures)
