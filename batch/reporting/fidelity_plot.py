"""Fidelity as a file of its own, in any format that matplotlib writes: a panel per use case."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from batch.reporting.plots import Line, Plot, fidelity
from batch.reporting.svg import LIGHT
from lambda_arch.fidelity import METRICS, FidelityTable

MARKS = ("o", "s", "^", "v", "D", "P")


def draw(table: FidelityTable, path: Path) -> None:
    """Draw the table into a file, of the kind that its name ends with.

    Raises OSError where it cannot be written, ValueError for a kind that there is not.
    """
    fidelity_figure(table).savefig(path)


def fidelity_figure(table: FidelityTable) -> Figure:
    """A panel per use case that was measured; hollow marks are of lags that borrow from their neighbours."""
    plots = [fidelity(use_case, table) for use_case in METRICS if use_case in table.measures]
    figure = Figure(figsize=(11, 4 * ((len(plots) + 1) // 2)), layout="constrained")
    figure.suptitle(f"Fidelity of generation {table.generation}; hollow: too few cases, pooled with neighbours")
    for place, plot in enumerate(plots):
        _panel(figure.add_subplot((len(plots) + 1) // 2, 2, place + 1), plot)
    return figure


def _panel(axes: Axes, plot: Plot) -> None:
    axes.set_title(plot.title)
    axes.set_ylabel(plot.y_label, fontsize="small")
    axes.set_xlabel(plot.x_label)
    axes.set_xticks(range(len(plot.names)), plot.names)
    for number, line in enumerate(plot.lines):
        _line(axes, line, LIGHT[number % len(LIGHT)], MARKS[number % len(MARKS)])
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")


def _line(axes: Axes, line: Line, colour: str, mark: str) -> None:
    at, values = zip(*line.points, strict=True)
    style = ":" if line.aside else "-"
    axes.errorbar(at, values, line.errors, color=colour, linestyle=style, capsize=2, label=line.name)
    for (x, y), hollow in zip(line.points, line.hollow, strict=True):
        axes.plot(x, y, marker=mark, color=colour, markerfacecolor="white" if hollow else colour)
