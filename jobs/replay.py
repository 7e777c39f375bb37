"""The lake's archive once more through gate and scoring into the store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from jobs.report import opened_lake
from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import ConfigError, load_config
from lambda_arch.records import USE_CASES
from lambda_arch.store import Store


def replay(
    since: Annotated[
        str | None,
        typer.Option("--from", help="Received since then (RFC 3339); all that can matter to the store if left out."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Received before then; to the end if left out.")] = None,
    rate: Annotated[str, typer.Option(help="Records a second at most, or max.")] = "max",
    use_case: Annotated[str | None, typer.Option(help="Only the records that it is made of.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Apply archived records to the store. On top of a live one nothing changes, an empty one is filled as it was.

    An empty one: stop gate and scorers before, for what they write first hides what was before it.
    """
    from streaming.replay import replay as apply_again

    span = _moment("--from", since), _moment("--to", until)
    asked, pace, config = _use_case(use_case), _rate(rate), load_config()
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    with opened_lake(config, "replay") as lake:
        done = apply_again(lake, store, config, *span, use_case=asked, rate=pace)
    told = f"{done.records} records received since {done.since} replayed, entities written {done.written} times"
    typer.echo(json.dumps(asdict(done)) if as_json else told)


def _moment(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text}: {error}") from None


def _rate(text: str) -> float | None:
    try:
        rate = None if text == "max" else float(text)
    except ValueError:
        rate = 0.0
    if rate is not None and not 0 < rate < float("inf"):
        raise ConfigError(f"--rate {text}: want a number above 0, or max")
    return rate


def _use_case(text: str | None) -> Any:
    if text not in (None, *USE_CASES):
        raise ConfigError(f"--use-case {text}: want one of {', '.join(USE_CASES)}")
    return text
