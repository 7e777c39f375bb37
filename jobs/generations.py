"""Generations: what was published, why each model was taken or refused, and the way back."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from lambda_arch.config import load_config
from lambda_arch.generations import roll_back, state, summaries
from lambda_arch.store import Store, StoreError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

app = typer.Typer(help="Generations: list them, show one's verdicts and figures, roll back.", no_args_is_help=True)


@app.command("list")
def list_generations(as_json: AsJson = False) -> None:
    """List the generations whose nights the store remembers, the newest first."""
    store = _store()
    rows = summaries(store)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("generation", "horizon", "state", "users", "titles", "models, and where they were trained", box=None)
    for row in rows:
        models = ", ".join(f"{use_case} {model} ({row['trained_in'][use_case]})"
                           for use_case, model in row["models"].items())  # fmt: skip
        table.add_row(
            str(row["generation"]), row["horizon"], row["state"], str(row["users"]), str(row["titles"]), models
        )
    Console().print(table)


@app.command()
def show(number: Annotated[int, typer.Argument(help="The generation's number.")], as_json: AsJson = False) -> None:
    """Show one generation: every verdict with its figures, models, fidelity, sizes, seconds."""
    store = _store()
    found = store.report(number)
    if found is None:
        raise StoreError(f"the store has no report of generation {number}; the lake's gold/generations keeps them all")
    if as_json:
        typer.echo(found.decode())
        return
    report, console = json.loads(found), Console(highlight=False)
    sizes = f"{report['users']} users, {report['titles']} titles, {sum(report['seconds'].values()):.0f} s"
    console.print(f"generation {number} at {report['horizon']}: {state(number, store.generations())}, {sizes}")
    console.print(verdicts(report))


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(help="The generation wanted: an error unless it is the previous.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the previous generation current again, at once; the next night gets a new number."""
    from batch.reporting.aftermath import followed

    store = _store()
    before, after = store.generations(), roll_back(store, to)
    registry = followed(after, in_use(load_config()))
    if not registry.well:
        typer.echo(f"rolled back, but the registry does not know: {registry.words}", err=True)
    if as_json:
        typer.echo(json.dumps({"withdrawn": before.current, "current": after.current}))
    else:
        typer.echo(f"generation {after.current} is current again; {before.current} was withdrawn")


def verdicts(report: dict[str, Any]) -> Table:
    """A row per check of every use case."""
    table = Table("use case", "verdict", "model in service", "check", "", "figures", box=None)
    for use_case, verdict in report["verdicts"].items():
        heads = (use_case, "accepted" if verdict["accepted"] else "refused", _model(report, use_case))
        for check in verdict["checks"]:
            table.add_row(*heads, check["name"], "ok" if check["passed"] else "NO", check["sentence"])
            heads = ("", "", "")
    return table


def _model(report: dict[str, Any], use_case: str) -> str:
    """The model in service and the generation in which it was trained."""
    name = report["models"].get(use_case)
    return f"{name} ({report['trained_in'][use_case]})" if name else "-"


def _store() -> Store:
    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    return store
