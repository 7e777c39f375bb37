"""Fidelity as a plot: a panel per use case, each layer's measure by lag with its standard error."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lambda_arch.fidelity import BUCKETS, METRICS, FidelityTable, Measure

# Told apart by those who do not see all colours, too (Okabe and Ito 2008).
LAYERS = {"batch": ("#0072b2", "o"), "speed": ("#d55e00", "s")}
BASELINES = (("#009e73", "^"), ("#7d7d7d", "v"), ("#cc79a7", "D"), ("#e69f00", "P"))


def draw(table: FidelityTable, path: Path) -> None:
    """Draw the table into a file, of the kind that its name ends with.

    Raises OSError where it cannot be written, ValueError for a kind that there is not.
    """
    fidelity_figure(table).savefig(path)


def fidelity_figure(table: FidelityTable) -> Figure:
    """A panel per use case that was measured; hollow marks are of lags that borrow from their neighbours."""
    use_cases = [use_case for use_case in METRICS if use_case in table.measures]
    figure = Figure(figsize=(11, 4 * ((len(use_cases) + 1) // 2)), layout="constrained")
    figure.suptitle(f"Fidelity of generation {table.generation}; hollow: too few cases, pooled with neighbours")
    for place, use_case in enumerate(use_cases):
        axes = figure.add_subplot((len(use_cases) + 1) // 2, 2, place + 1)
        axes.set_title(use_case)
        axes.set_ylabel(METRICS[use_case], fontsize="small")
        axes.set_xlabel("events of the entity not seen by batch")
        axes.set_xticks(range(len(BUCKETS)), BUCKETS)
        _layers(axes, table.measures[use_case])
    return figure


def _layers(axes: Axes, layers: dict[str, dict[str, Measure]]) -> None:
    others = iter(BASELINES * len(layers))
    for number, (name, measures) in enumerate(layers.items()):
        colour, mark = LAYERS.get(name) or next(others)
        beside = 0.06 * (number - (len(layers) - 1) / 2)
        at = [BUCKETS.index(bucket) + beside for bucket in measures]
        values = [measure.value for measure in measures.values()]
        errors = [measure.standard_error for measure in measures.values()]
        line = "-" if name in LAYERS else ":"
        axes.errorbar(at, values, errors, color=colour, linestyle=line, capsize=2, label=name)
        for x, measure in zip(at, measures.values(), strict=True):
            filled = "white" if measure.borrowed else colour
            axes.plot(x, measure.value, marker=mark, color=colour, markerfacecolor=filled)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")
