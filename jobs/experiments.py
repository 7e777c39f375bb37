"""Experiments: who gets what, what they show so far; and how often what was served was then watched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from deploy.topics import existing_topics
from jobs.report import opened_lake
from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.keys import EXPERIMENTS_KEY, HIT_RATES_KEY
from lambda_arch.store import Store
from serving.decision_topic import logged

HOURS = 24.0

Hours = Annotated[float, typer.Option(min=0.1, help="What happens so many hours after an answer is put down to it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

app = typer.Typer(help="Experiments: list them, report what they show so far.", no_args_is_help=True)


@app.command("list")
def list_experiments(as_json: AsJson = False) -> None:
    """List the configured experiments and their arms."""
    rows = [one.model_dump(mode="json") for one in load_config().serving.experiments]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("experiment", "use case", "share", "shadow", "arms", box=None)
    for row in rows:
        arms = ", ".join(f"{name} ({arm['weight']:g})" for name, arm in row["arms"].items())
        table.add_row(row["name"], row["use_case"], f"{row['share']:g}", "yes" if row["shadow"] else "no", arms)
    Console(highlight=False).print(table)


@app.command()
def report(hours: Hours = HOURS, as_json: AsJson = False) -> None:
    """Report every shown experiment: shares with intervals, and a test that may be looked at at any time."""
    from batch.measures.experiment_report import report as report_of

    config = in_use(load_config())
    shown = [one for one in config.serving.experiments if not one.shadow]
    if not shown:
        raise ConfigError("no experiment that is shown is configured: see serving.experiments in docs/experiments.md")
    served, outcomes = _followed(config, hours)
    found = [{**report_of(one, served, outcomes), "hours": hours} for one in shown]
    Store(config.store.url, config.store.ttl_days).put_told(EXPERIMENTS_KEY, json.dumps(found).encode())
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        Console(highlight=False).print(_table(one))


def hit_rate(hours: Hours = HOURS, as_json: AsJson = False) -> None:
    """How many of the logged lists had a title that was then watched, by the layer that answered."""
    from batch.measures.experiment_report import hit_rates

    config = in_use(load_config())
    rates = hit_rates(*_followed(config, hours))
    told = json.dumps({"hours": hours, "layers": rates})
    Store(config.store.url, config.store.ttl_days).put_told(HIT_RATES_KEY, told.encode())
    if as_json:
        typer.echo(told)
        return
    table = Table("layer", "hit rate", "± se", "lists", "users", box=None)
    for layer, found in rates.items():
        figures = (f"{found['hit_rate']:.3f}", f"{found['standard_error']:.3f}", str(found["lists"]))
        table.add_row(layer, *figures, str(found["users"]))
    Console(highlight=False).print(table if rates else "no logged list whose hours have passed")


def _followed(config: Config, hours: float) -> tuple[Sequence[Any], Any]:
    """Every logged answer about a user that was sent, and what followed."""
    from batch.measures.experiment_report import Served
    from batch.measures.outcomes import Exposure, outcomes
    from lambda_arch.tables import EVENTS

    existing_topics(config)
    entries = [found.entry for found in logged(config.kafka) if found.entry]
    served = [
        Served(
            Exposure(number, entry.entity.removeprefix("u:"), entry.now, entry.shown or []),
            entry.use_case, entry.answer.layer, entry.arms,
        )
        for number, entry in enumerate(entries)
        if entry.entity.startswith("u:") and not entry.shadow
    ]  # fmt: skip
    with opened_lake(config, "experiments") as lake:
        lake.create(EVENTS)
        return served, outcomes(lake.read(EVENTS), [one.exposure for one in served], hours)


def _table(found: dict[str, Any]) -> Table:
    title = f"{found['experiment']}: {found['outcome']} within {found['hours']:g} h"
    heads = ("arm", "users", "share", "95 %", f"above {found['against']}", "at any look", "p")
    table = Table(*heads, box=None, title=title, title_justify="left")
    for arm, tally in found["arms"].items():
        row = [arm, str(tally["users"]), f"{tally['share']:.3f}", f"{tally['low']:.3f} to {tally['high']:.3f}"]
        if against := found["comparisons"].get(arm):
            interval = f"{against['low']:+.3f} to {against['high']:+.3f}"
            row += [f"{against['difference']:+.3f}", interval, f"{against['p_value']:.3g}"]
        table.add_row(*row)
    return table
