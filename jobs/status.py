"""What runs on this machine, and how the scorers stand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from lambda_arch.config import Config, load_config

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def status(as_json: AsJson = False) -> None:
    """Show what runs, since when, and with how much memory; of scorers how fast they are and how far behind."""
    from deploy import servers

    config = load_config()
    found, scorers = servers.status(config), _scorers(servers.in_use(config))
    if as_json:
        typer.echo(json.dumps({"programs": [asdict(state) for state in found], "scorers": scorers}))
        return
    programs = Table("program", "state", "pid", "up", "memory", "detail", box=None, pad_edge=False)
    for state in found:
        programs.add_row(state.name, state.state, *state.texts(), state.detail)
    Console().print(programs)
    if scorers:
        Console().print(_table(scorers))


def _scorers(config: Config) -> list[dict[str, Any]]:
    """What the living scorers told of themselves; none where the store is away."""
    from lambda_arch.scorers import scorers
    from lambda_arch.store import STORE_ERRORS, Store

    try:
        return [msgspec.json.decode(told) for told in scorers(Store(config.store.url, config.store.ttl_days))]
    except STORE_ERRORS:
        return []


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
