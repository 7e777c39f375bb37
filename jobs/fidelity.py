"""Show how good each layer measured at a night, by how much of an entity it has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from lambda_arch.config import load_config
from lambda_arch.fidelity import BUCKETS, METRICS, FidelityTable, Measure
from lambda_arch.store import Store, StoreError

WIDTH = 32


class PlotError(ValueError):
    """The plot cannot be written where it was asked for."""


def fidelity(
    generation: Annotated[int | None, typer.Option(help="The generation; the current one without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures into this file (.svg, .png or .pdf).")] = None,
) -> None:
    """Show the measured fidelity of a generation's layers: the figures that the arbiter decides by."""
    measured = _measured(generation)
    if plot:
        _draw(measured, plot)
    if as_json:
        typer.echo(msgspec.json.encode(measured).decode())
        return
    console = Console(highlight=False)
    for use_case, metric in METRICS.items():
        if use_case in measured.measures:
            console.print(table(measured, use_case, metric))


def _draw(measured: FidelityTable, plot: Path) -> None:
    from batch.reporting.fidelity_plot import draw  # matplotlib takes a second to import

    try:
        draw(measured, plot)
    except (OSError, ValueError) as error:
        raise PlotError(f"cannot draw {plot}: {error}; name a file in a folder that exists, ending in .svg") from None


def _measured(generation: int | None) -> FidelityTable:
    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    number = generation or store.generations().current
    found = store.fidelity(number)
    if found is None:
        told = f"generation {number} is not in the store" if number else "no generation has been published"
        raise StoreError(f"{told}: run the night with `lambda-arch night`")
    return found


def table(measured: FidelityTable, use_case: str, metric: str) -> Table:
    """One use case's measures: per lag a row for each layer and baseline, with a bar on the scale of all of them."""
    layers = measured.measures[use_case]
    scale = _scale([measure for of_layer in layers.values() for measure in of_layer.values()])
    shown = Table(title=f"{use_case}: {metric}", title_justify="left")
    for heading in ("events not seen", "answer", "value", "cases", f"{scale[0]:.3g} to {scale[1]:.3g}", "pooled with"):
        shown.add_column(heading, justify="right" if heading in ("value", "cases") else "left")
    for bucket in BUCKETS:
        told = [(layer, of_layer[bucket]) for layer, of_layer in layers.items() if bucket in of_layer]
        for place, (layer, measure) in enumerate(told):
            figure = f"{measure.value:.3f} ± {measure.standard_error:.3f}"
            shown.add_row(
                "" if place else bucket, layer, figure, str(measure.cases), bar(measure, *scale),
                ", ".join(measure.borrowed), end_section=place == len(told) - 1,
            )  # fmt: skip
    return shown


def bar(measure: Measure, low: float, high: float) -> str:
    """The value on a scale of WIDTH characters, its standard error to both sides as a thin line."""
    ends = [measure.value - measure.standard_error, measure.value, measure.value + measure.standard_error]
    begin, middle, end = [max(0, min(WIDTH, round(WIDTH * (at - low) / (high - low)))) for at in ends]
    return "█" * begin + "▒" * (middle - begin) + "─" * (end - middle)


def _scale(measures: Iterable[Measure]) -> tuple[float, float]:
    """From what all errors leave sure of the lowest to the highest; from 0 where nothing is below it."""
    spans = [(measure.value - measure.standard_error, measure.value + measure.standard_error) for measure in measures]
    low, high = min(0.0, *(low for low, _ in spans)), max(high for _, high in spans)
    return (low, high) if high > low else (low, low + 1.0)
