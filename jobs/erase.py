"""Erasures: a person's, as over HTTP; and the erasing in the lake, which every night does as well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from jobs.report import opened_lake
from lambda_arch.clock import rfc3339
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.store import Store, store_faults

LONGEST_ID = 128


def erase(
    user_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Whom to erase; nobody where left out.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete from the lake and the announcements now.")] = False,
    vacuum_hours: Annotated[
        float | None,
        typer.Option(min=0, help="Then remove files that no version of the last hours needs; 0 while nothing runs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Erase a person in store and announcements; with --apply, also everything of the erased from the lake, now.

    Without ID and --apply: tell how many were ever erased.
    """
    from deploy.servers import in_use

    if vacuum_hours is not None and not apply:
        raise ConfigError("--vacuum-hours goes with --apply: files are removed after rows were deleted from them")
    told: dict[str, Any] = {} if user_id is None else {"user_id": an_id(user_id)}
    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    with store_faults():
        told |= {} if user_id is None else _erased(config, user_id)
        erasures = gathered(config, store)
    told |= {"erasures": len(erasures), "newest": max((e.asked_at for e in erasures), default=None)}
    if apply:
        rows, withdrawn = _applied(config, erasures, vacuum_hours)
        told |= {"rows": rows, "withdrawn": withdrawn}
    typer.echo(json.dumps(told) if as_json else "\n".join(_sentences(told)))


def an_id(text: str) -> str:
    """A user's id as typed; raises ConfigError where no user can have it."""
    if not 1 <= len(text) <= LONGEST_ID:
        raise ConfigError(f"ID: want 1 to {LONGEST_ID} characters, have {len(text)}")
    return text


def _erased(config: Config, user_id: str) -> dict[str, Any]:
    """Erase a person as the API does; raises IncompleteError."""
    from serving.outbox import Outbox
    from serving.people import erased
    from serving.routes.administration import Administration

    async def asked() -> dict[str, Any]:
        operator, outbox = Administration(config), Outbox(config.kafka.bootstrap, config.serving.delivery_seconds)
        try:
            erasure, keys = await erased(operator.ask, outbox, config, user_id, None)
        finally:
            await outbox.close()
            operator.close()
        return {"erased_until": rfc3339(erasure.moment), "keys": keys}

    return asyncio.run(asked())


def _sentences(told: dict[str, Any]) -> Iterator[str]:
    if "user_id" in told:
        gone = f"{told['keys']} keys are gone" if told["keys"] else "the store knew nothing of this id: is it right?"
        yield f"{told['user_id']}: {gone}; what happened until {told['erased_until']} is erased"
    if "rows" not in told:
        last = f", the last at {told['newest']}; --apply deletes their rows from the lake now" if told["newest"] else ""
        yield f"{told['erasures']} people were erased{last}"
        return
    rows = [f"{count} rows of {table}" for table, count in told["rows"].items()] or ["nothing in the lake"]
    yield f"deleted: {', '.join(rows)}; {told['withdrawn']} announcements withdrawn"


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
