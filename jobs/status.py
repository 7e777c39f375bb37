"""What runs on this machine, and how scorers and queries of the speed layer stand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from lambda_arch.config import Config, load_config

SHOWN = 3  # steps of a trigger
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def status(as_json: AsJson = False) -> None:
    """Show what runs, since when, and with how much memory; how fast scorers and queries are, and how far behind."""
    from deploy import servers

    config = load_config()
    found, (scorers, queries) = servers.status(config), _told(servers.in_use(config))
    if as_json:
        typer.echo(json.dumps({"programs": [asdict(state) for state in found], "scorers": scorers, "queries": queries}))
        return
    programs = Table("program", "state", "pid", "up", "memory", "detail", box=None, pad_edge=False)
    for state in found:
        programs.add_row(state.name, state.state, *state.texts(), state.detail)
    Console().print(programs)
    for shown in (_table(scorers), _queries(queries)):
        if shown.row_count:
            Console().print(shown)


def _told(config: Config) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the living scorers and queries told of themselves; nothing where the store is away."""
    from lambda_arch.scorers import queries, scorers
    from lambda_arch.store import STORE_ERRORS, Store

    store = Store(config.store.url, config.store.ttl_days)
    try:
        return list(map(msgspec.json.decode, scorers(store))), list(map(msgspec.json.decode, queries(store)))
    except STORE_ERRORS:
        return [], []


def _table(scorers: list[dict[str, Any]]) -> Table:
    heads = ("scorer", "records/s", "lag", "delay p50", "late", "duplicates", "conflicts", "generation", "state p50")
    table = Table(*heads, box=None, pad_edge=False)
    for told in scorers:
        totals, delay, size = told["totals"], told["delay_seconds"], told["state_bytes"]
        table.add_row(
            f"{told['host']}-{told['pid']}", str(told["per_second"]), str(sum(told["lag"].values())),
            f"{delay['p50']:.3f} s" if delay else "", str(totals["late"]), str(totals["duplicates"]),
            str(totals["conflicts"]), str(told["generation"]), f"{size['p50']:.0f} B" if size else "",
        )  # fmt: skip
    return table


def _queries(queries: list[dict[str, Any]]) -> Table:
    table = Table("query", "batch", "rows", "rows/s", "lag", "where the time went", box=None, pad_edge=False)
    for told in queries:
        steps = sorted(told["milliseconds"].items(), key=lambda step: -step[1])
        table.add_row(
            told["query"], str(told["batch"]), str(told["rows"]), str(told["per_second"]),
            str(sum(told["lag"].values())), ", ".join(f"{step} {taken} ms" for step, taken in steps[:SHOWN]),
        )  # fmt: skip
    return table
