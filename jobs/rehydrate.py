"""A store that was lost, out of the lake: a generation as it was published, then all that was archived since."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from jobs.erase import gathered_if_up
from jobs.report import opened_lake
from lambda_arch.config import Config, load_config
from lambda_arch.store import Store

WRITERS = ("gate", "scorer")


def rehydrate(
    generation: Annotated[
        int | None, typer.Option(help="The generation; the one of the newest horizon if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Fill an empty store from the lake; gate and scorers must not run, and the archive must have caught up."""
    from batch.republish import republish
    from lambda_arch.tables import BRONZE
    from streaming.replay import replay

    config = load_config()
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    _refuse_writers(config)
    if fault := gathered_if_up(config, store):
        typer.echo(fault, err=True)
    with opened_lake(config, "rehydrate") as lake:
        found = republish(lake, store, config, generation)
        done = replay(lake, store, config) if lake.exists(BRONZE) else None
    told = {"generation": found.number, **(asdict(done) if done else {"records": 0, "written": 0})}
    sentence = f"generation {found.number} is in service again; {told['records']} archived records replayed"
    typer.echo(json.dumps(told) if as_json else sentence)


def _refuse_writers(config: Config) -> None:
    from batch.republish import NotEmptyError
    from deploy.servers import status
    from deploy.supervision import ACTIVE

    running = {found.name.partition("-")[0] for found in status(config) if found.state in ACTIVE}
    if writers := sorted(running.intersection(WRITERS)):
        raise NotEmptyError(
            f"{' and '.join(writers)} would write to the store meanwhile: `lambda-arch down`, "
            "`lambda-arch up kafka store archive`, and rehydrate again"
        )
