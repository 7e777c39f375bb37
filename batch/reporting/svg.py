"""Plots as SVG: in a page or as a file, in light or dark as the reader's system has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from batch.reporting.plots import Line, Plot

WIDTH, HEIGHT = 460, 310
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 68, 46
LETTER, GAP, ROW = 6.6, 30, 17  # of the legend: a letter's width, what lies between names, and a row's height
MOST_DOTS = 30
# Told apart by those who do not see all colours, too (Okabe and Ito 2008).
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#7d7d7d", "#cc79a7", "#b8860b")
DARK = ("#56b4e9", "#e69f00", "#2bc59b", "#aaa", "#e6a8cb", "#f0e442")


def _named(colours: Sequence[str]) -> str:
    return ";".join(f"--c{number}:{colour}" for number, colour in enumerate(colours))


STYLE = (
    f".plot{{font:12px system-ui,sans-serif;--ground:#fff;--ink:#333;--soft:#ddd;{_named(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{.plot{{--ground:#202020;--ink:#ddd;--soft:#444;{_named(DARK)}}}}}"
    ".plot text{fill:var(--ink)}.plot .grid{stroke:var(--soft)}.plot path,.plot .error{fill:none;stroke-width:2}"
    ".plot .aside{stroke-dasharray:2 4}.plot circle{stroke-width:1.5}"
    + "".join(f".plot .s{n}{{stroke:var(--c{n})}}.plot circle.s{n}{{fill:var(--c{n})}}" for n in range(len(LIGHT)))
    + ".plot circle.hollow{fill:var(--ground)}"
)


class _Scale(NamedTuple):
    """From values to places, with round values along it."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float] = ()

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low or 1.0)
        return round(self.start + share * (self.end - self.start), 1)


def drawn(plot: Plot) -> str:
    """The plot, which has a point, with its names or figures below and the legend above."""
    across, up = _across(plot), _scale(_bounds(plot.lines), HEIGHT - BOTTOM, TOP)
    below = enumerate(plot.names) if plot.names else ((x, f"{x:g}") for x in across.ticks)
    parts = [
        *(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up.at(y)}" y2="{up.at(y)}"/>' for y in up.ticks),
        *(_text(LEFT - 6, up.at(y) + 4, f"{y:g}", "end") for y in up.ticks),
        *(_text(across.at(x), HEIGHT - BOTTOM + 18, name, "middle") for x, name in below),
        *(part for number, line in enumerate(plot.lines) for part in _line(line, number % len(LIGHT), across, up)),
        *_legend(plot.lines),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, plot.x_label, "middle"),
        _text(10, 18, plot.y_label, "start"),
    ]
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(plot.title)}"><style>{STYLE}</style>{"".join(parts)}</svg>'
    )


def _across(plot: Plot) -> _Scale:
    if plot.names:
        return _Scale(-0.3, len(plot.names) - 0.7, LEFT, WIDTH - RIGHT)
    xs = [x for line in plot.lines for x, _ in line.points]
    return _scale((min(xs), max(xs)), LEFT, WIDTH - RIGHT)


def _scale(bounds: tuple[float, float], start: float, end: float) -> _Scale:
    """Of values within bounds: it ends with round ones."""
    ticks = _ticks(*bounds)
    return _Scale(min(bounds[0], ticks[0]), max(bounds[1], ticks[-1]), start, end, ticks)


def _bounds(lines: Sequence[Line]) -> tuple[float, float]:
    """Of all points with their errors."""
    spans = [
        (y - error, y + error)
        for line in lines
        for (_, y), error in zip(line.points, line.errors or [0.0] * len(line.points), strict=True)
    ]
    return min(low for low, _ in spans), max(high for _, high in spans)


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover the span."""
    span = high - low or abs(high) or 1.0
    rough = span / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _line(line: Line, number: int, across: _Scale, up: _Scale) -> list[str]:
    at = [(across.at(x), up.at(y)) for x, y in line.points]
    path = "M" + "L".join(f"{x} {y}" for x, y in at)
    spans = [(across.at(x), up.at(y - e), up.at(y + e)) for (x, y), e in zip(line.points, line.errors, strict=False)]
    errors = [f'<line class="error s{number}" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>' for x, low, high in spans]
    kind = f"s{number} aside" if line.aside else f"s{number}"
    return [f'<path class="{kind}" d="{path}"/>', *errors, *(_dots(line, at, number) if len(at) <= MOST_DOTS else [])]


def _dots(line: Line, at: Sequence[tuple[float, float]], number: int) -> list[str]:
    hollow = line.hollow or [False] * len(at)
    return [
        f'<circle class="s{number}{" hollow" if empty else ""}" cx="{x}" cy="{y}" r="3"/>'
        for (x, y), empty in zip(at, hollow, strict=True)
    ]


def _legend(lines: Sequence[Line]) -> list[str]:
    """Names one after the other, in as many rows as they need."""
    parts, x, y = [], float(LEFT), 36
    for number, line in enumerate(lines):
        wide = GAP + LETTER * len(line.name)
        if x > LEFT and x + wide > WIDTH:
            x, y = LEFT, y + ROW
        parts.append(f'<circle class="s{number % len(LIGHT)}" cx="{x:g}" cy="{y - 4}" r="4"/>')
        parts.append(_text(x + 10, y, line.name, "start"))
        x += wide
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
