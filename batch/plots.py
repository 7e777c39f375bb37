"""Line plots as SVG: in a page or as a file, in light or dark as the reader's system has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 54, 46
# Told apart by those who do not see all colours, too (Okabe and Ito 2008).
STYLE = (
    ".plot{font:12px system-ui,sans-serif;--ink:#333;--soft:#ddd;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#7d7d7d}"
    "@media(prefers-color-scheme:dark){.plot{--ink:#ddd;--soft:#444;--c0:#56b4e9;--c1:#e69f00;--c2:#2bc59b;--c3:#aaa}}"
    ".plot text{fill:var(--ink)}.plot .grid{stroke:var(--soft)}.plot path,.plot .error{fill:none;stroke-width:2}"
    + "".join(f".plot .s{n}{{stroke:var(--c{n})}}.plot circle.s{n}{{fill:var(--c{n})}}" for n in range(4))
)


class Line(NamedTuple):
    """Points in order of x; errors, where there are any, one per point and to both sides."""

    name: str
    points: Sequence[tuple[float, float]]
    errors: Sequence[float] = ()


class _Scale(NamedTuple):
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low or 1.0)
        return round(self.start + share * (self.end - self.start), 1)


def line_plot(title: str, lines: Sequence[Line], x_label: str, y_label: str, names: Sequence[str] = ()) -> str:
    """The plot; with `names` x counts them (0, 1, …), and they are written below the axis. Empty without a point."""
    xs = [x for line in lines for x, _ in line.points]
    if not xs:
        return ""
    low, high = _bounds(lines)
    across = (
        _Scale(-0.3, len(names) - 0.7, LEFT, WIDTH - RIGHT) if names else _Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    )
    ticks = _ticks(low, high)
    up = _Scale(min(low, ticks[0]), max(high, ticks[-1]), HEIGHT - BOTTOM, TOP)
    below = list(enumerate(names)) if names else [(x, f"{x:g}") for x in _ticks(across.low, across.high)]
    parts = [
        *(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up.at(y)}" y2="{up.at(y)}"/>' for y in ticks),
        *(_text(LEFT - 6, up.at(y) + 4, f"{y:g}", "end") for y in ticks),
        *(_text(across.at(x), HEIGHT - BOTTOM + 18, name, "middle") for x, name in below),
        *(part for number, line in enumerate(lines) for part in _drawn(line, number % 4, across, up)),
        *_legend(lines),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, "middle"),
        _text(10, 18, y_label, "start"),
    ]
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><style>{STYLE}</style>{"".join(parts)}</svg>'
    )


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


def _drawn(line: Line, number: int, across: _Scale, up: _Scale) -> list[str]:
    at = [(across.at(x), up.at(y)) for x, y in line.points]
    path = "M" + "L".join(f"{x} {y}" for x, y in at)
    spans = [(across.at(x), up.at(y - e), up.at(y + e)) for (x, y), e in zip(line.points, line.errors, strict=False)]
    errors = [f'<line class="error s{number}" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>' for x, low, high in spans]
    dots = [f'<circle class="s{number}" cx="{x}" cy="{y}" r="3"/>' for x, y in at] if len(at) <= 30 else []
    return [f'<path class="s{number}" d="{path}"/>', *errors, *dots]


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, x = [], LEFT
    for number, line in enumerate(lines):
        parts.append(f'<circle class="s{number % 4}" cx="{x}" cy="34" r="4"/>')
        parts.append(_text(x + 10, 38, line.name, "start"))
        x += 34 + 7 * len(line.name)
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
