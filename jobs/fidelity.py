"""Show how good each layer measured at the last night, by how much of an entity it has not seen."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import in_use
from lambda_arch.config import load_config
from lambda_arch.fidelity import BUCKETS, METRICS, FidelityTable
from lambda_arch.store import Store, StoreError


def fidelity(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show the measured fidelity of the current generation's layers: the figures that the arbiter decides by."""
    config = in_use(load_config())
    store = Store(config.store.url, config.store.ttl_days)
    store.ping()
    measured = store.fidelity(store.generations().current)
    if measured is None:
        raise StoreError("no generation has been published: run the night with `lambda-arch night`")
    if as_json:
        typer.echo(msgspec.json.encode(measured).decode())
        return
    console = Console(highlight=False)
    for use_case, metric in METRICS.items():
        console.print(table(measured, use_case, metric))


def table(measured: FidelityTable, use_case: str, metric: str) -> Table:
    """One use case's measures: a row per layer, a column per lag; value, standard error and cases."""
    shown = Table(title=f"{use_case}: {metric}", title_justify="left")
    shown.add_column("events not seen")
    for bucket in BUCKETS:
        shown.add_column(bucket, justify="right")
    for layer, measures in measured.measures.get(use_case, {}).items():
        cells = [measures.get(bucket) for bucket in BUCKETS]
        told = [f"{cell.value:.3f} ± {cell.standard_error:.3f}\n{cell.cases} cases" if cell else "-" for cell in cells]
        shown.add_row(layer, *told)
    return shown
