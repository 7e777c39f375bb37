"""What a measurement gives: rows with targets beside results, as a table and as a file."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil
import pyspark
from rich.table import Table

_MET = {True: "yes", False: "MISSED", None: ""}


class Row(msgspec.Struct, frozen=True):
    """One measured figure: the median of `rounds`.

    `against` is the rival or the conditions, in words; `target` the promise, such as `≥ 20`; `met` whether it was
    kept, null where nothing was promised; `module` is the one of the suite that measured it.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    target: str = ""
    met: bool | None = None
    rounds: tuple[float, ...] = ()
    module: str = ""


def reported(name: str, rounds: Sequence[float], unit: str, against: str = "") -> Row:
    """A figure without a target: what a reader needs beside those that have one."""
    return Row(name, statistics.median(rounds), unit, against, rounds=tuple(rounds))


def at_least(target: float, name: str, rounds: Sequence[float], unit: str, against: str = "") -> Row:
    """A figure that should not be below the target."""
    value = statistics.median(rounds)
    return Row(name, value, unit, against, f"≥ {target:g}", value >= target, tuple(rounds))


def above(target: float, name: str, rounds: Sequence[float], unit: str, against: str = "") -> Row:
    """A figure that should be greater than the target."""
    value = statistics.median(rounds)
    return Row(name, value, unit, against, f"> {target:g}", value > target, tuple(rounds))


def at_most(target: float, name: str, rounds: Sequence[float], unit: str, against: str = "") -> Row:
    """A figure that should not be above the target."""
    value = statistics.median(rounds)
    return Row(name, value, unit, against, f"≤ {target:g}", value <= target, tuple(rounds))


def table(title: str, rows: Sequence[Row]) -> Table:
    """The rows for people: targets beside results, misses in capitals."""
    shown = Table(title=title, title_justify="left")
    for heading in ("what", "against", "result", "unit", "range", "target", "met"):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        result, spread = f"{row.value:.4g}", _spread(row.rounds)
        shown.add_row(row.name, row.against, result, row.unit, spread, row.target, _MET[row.met])
    return shown


def write(rows: Sequence[Row], path: Path) -> None:
    """The rows as a JSON list, in the place of those of the same modules; what other modules measured before stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    modules = {row.module for row in rows}
    before = msgspec.json.decode(path.read_bytes(), type=list[Row]) if path.exists() else []
    all_rows = [*(row for row in before if row.module not in modules), *rows]
    all_rows.sort(key=lambda row: row.module)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(all_rows), indent=1) + b"\n")


def machine() -> str:
    """What the figures were measured on."""
    memory = psutil.virtual_memory().total / 2**30
    versions = f"Python {platform.python_version()}, Spark {pyspark.__version__}"
    return f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, {versions}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _spread(rounds: Sequence[float]) -> str:
    return f"{min(rounds):.4g} to {max(rounds):.4g}" if len(rounds) > 1 else ""
