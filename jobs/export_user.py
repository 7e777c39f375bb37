"""All that is held of one person: the store's part, and every record of the lake."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from jobs.erase import an_id
from jobs.report import opened_lake
from lambda_arch.config import ConfigError, load_config
from lambda_arch.store import Store, store_faults


def export_user(user_id: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")]) -> None:
    """Print one JSON document: what the store says and keeps; events, raw records and rejects of the lake.

    An error where there is nothing, and the store does not know of an erasure either.
    """
    from batch.erasing import held
    from deploy.servers import in_use
    from serving.people import export

    an_id(user_id)
    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    with store_faults():
        document = export(store, user_id)
    with opened_lake(config, "export-user") as lake:
        document["lake"] = held(lake, user_id, config)
    if _is_empty(document):
        raise ConfigError(f"nobody is known as {user_id}: neither store nor lake holds anything of this id")
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _is_empty(document: dict[str, Any]) -> bool:
    held = [document["erased_until"], document["exposures"], *document["speed"].values(), *document["lake"].values()]
    return not any([*held, *(part for one in document["batch"] for part in (one["records"], one["profile"]))])
