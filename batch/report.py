"""A night's report: what went in, what was tried, chosen, judged and measured, and what changed; one page and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jinja2 import Environment, StrictUndefined

from batch.plots import plots_of
from batch.stored import Stored
from batch.svg import drawn
from lambda_arch.fidelity import METRICS
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, UseCase

Told = dict[str, Any]


def write_report(told: Told, folder: Path) -> Path:
    """Write `N.html` and `N.json`; answers the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{told['generation']}.html"
    page.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))
    page.write_text(rendered(told), encoding="utf-8")
    return page


def told_of(generation: Stored, previous: Stored | None, registry: str) -> Told:
    """All that the report says, of the generation as stored and the one before; `registry`: how recording it went."""
    report = generation.report
    return {
        **report,
        "registry": registry,
        "previous": previous.number if previous else None,
        "changes": changes(report, previous.report) if previous else [],
        "sizes": sizes(generation.models()),
        "curve": cutoff_curve(generation.models()),
    }


def rendered(told: Told) -> str:
    """The page: nothing in it comes from elsewhere."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": figure, "settings": in_words}
    template = environment.from_string(files("batch").joinpath("report.html").read_text(encoding="utf-8"))
    plots = {use_case: list(drawings_of(use_case, told).values()) for use_case in USE_CASES}
    return template.render(told=told, use_cases=USE_CASES, metrics=METRICS, plots=plots)


def drawings_of(use_case: UseCase, told: Told) -> dict[str, str]:
    """A use case's plots (SVG) by name, those for which there are figures."""
    return {name: drawn(plot) for name, plot in plots_of(use_case, told).items()}


def changes(report: Told, previous: Told) -> list[tuple[str, Any, Any]]:
    """What differs from the generation before: what, then, now."""
    now, then = dict(_figures(report)), dict(_figures(previous))
    return [(name, then.get(name), now.get(name)) for name in {**then, **now} if then.get(name) != now.get(name)]


def sizes(models: Models) -> dict[str, dict[str, Any]]:
    """Bytes as stored and shape, per model in service."""
    found = {name: model for name in USE_CASES if (model := getattr(models, name)) is not None}
    return {name: {"bytes": _bytes(model), "arrays": _shapes(model)} for name, model in found.items()}


def figure(value: Any) -> str:
    """A value as a reader wants it: numbers grouped and short, the rest as it is."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def cutoff_curve(models: Models) -> list[dict[str, float]]:
    """Precision, recall and cost by churn's cutoff, as its model has them."""
    points = getattr(models.churn, "curve", [])
    return [{name: getattr(point, name) for name in ("cutoff", "precision", "recall", "cost")} for point in points]


def in_words(settings: Mapping[str, Any]) -> str:
    """Settings in one line; what is nested has its group's name before it."""
    return ", ".join(f"{name} {value}" for name, value in flat(settings))


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by name, of what is nested by its group's and its own; without the grid."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.") if name != "grid" else ()
        else:
            yield f"{before}{name}", " ".join(map(str, value)) if isinstance(value, list) else value


def _figures(report: Told) -> Iterator[tuple[str, Any]]:
    """What is compared from night to night."""
    for name in ("users", "titles"):
        yield name, report.get(name)
    for table, source in report.get("data", {}).items():
        yield f"rows of {table}", source["rows"]
    for use_case in USE_CASES:
        yield f"{use_case}: model", report["models"].get(use_case)
        yield from (
            (f"{use_case}: {name}", value) for name, value in flat(report.get("settings", {}).get(use_case, {}))
        )
        layers = report["fidelity"]["measures"].get(use_case, {})
        yield from ((f"{use_case}: {layer} at lag 0", layers[layer].get("0", {}).get("value")) for layer in layers)


def _bytes(model: msgspec.Struct) -> int:
    return len(msgspec.msgpack.encode(model, enc_hook=lambda array: array.tobytes()))


def _shapes(model: msgspec.Struct) -> dict[str, str]:
    fields = msgspec.structs.asdict(model)
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: " × ".join(map(str, array.shape)) for name, array in arrays.items()}
