"""A night's report: what went in, what was tried, chosen, judged and measured, and what changed; one page and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jinja2 import Environment, StrictUndefined

from batch.plots import Line, line_plot
from batch.stored import Stored
from lambda_arch.fidelity import BUCKETS, METRICS
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, UseCase

Told = dict[str, Any]
LAYERS = ("batch", "speed")


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
    plots = {use_case: list(plots_of(use_case, told).values()) for use_case in USE_CASES}
    return template.render(told=told, use_cases=USE_CASES, metrics=METRICS, plots=plots)


def plots_of(use_case: UseCase, told: Told) -> dict[str, str]:
    """A use case's plots (SVG) by name, those for which there are figures."""
    found = {"fidelity": _fidelity(use_case, told), "candidates": _candidates(use_case, told)}
    if use_case == "churn":
        found |= _cutoffs(told.get("curve", []))
    return {name: plot for name, plot in found.items() if plot}


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
    return ", ".join(f"{name} {value}" for name, value in _flat(settings))


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.") if name != "grid" else ()
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
            (f"{use_case}: {name}", value) for name, value in _flat(report.get("settings", {}).get(use_case, {}))
        )
        layers = report["fidelity"]["measures"].get(use_case, {})
        yield from ((f"{use_case}: {layer} at lag 0", layers[layer].get("0", {}).get("value")) for layer in layers)


def _fidelity(use_case: UseCase, told: Told) -> str:
    """Every layer's measure by what it has not seen."""
    lines = []
    layers = told["fidelity"]["measures"].get(use_case, {})
    for layer in sorted(layers, key=lambda name: (name not in LAYERS, name)):
        measures = layers[layer]
        shown = [(place, measures[bucket]) for place, bucket in enumerate(BUCKETS) if bucket in measures]
        points = [(place, measure["value"]) for place, measure in shown]
        lines.append(Line(layer, points, [measure["standard_error"] for _, measure in shown]))
    return line_plot(f"{use_case}: fidelity by lag", lines, "events not seen", METRICS[use_case], BUCKETS)


def _candidates(use_case: str, told: Told) -> str:
    """The deciding metric by the one setting that was tried: silhouette by k, say."""
    trials = told.get("trials", {}).get(use_case, [])
    tried = [name for name in (trials[0]["settings"] if trials else {}) if _is_tried(name, trials)]
    if len(tried) != 1:
        return ""
    metric = next(iter(trials[0]["metrics"]))
    found = sorted((trial["settings"][tried[0]], trial["metrics"][metric], trial["standard_error"]) for trial in trials)
    line = Line("candidates", [(x, y) for x, y, _ in found], [error for _, _, error in found])
    return line_plot(f"{use_case}: {metric} by {tried[0]}", [line], tried[0], metric)


def _cutoffs(curve: list[dict[str, float]]) -> dict[str, str]:
    """What a person who moves the cutoff would get."""
    pairs = sorted((point["recall"], point["precision"]) for point in curve)
    costs = [(point["cutoff"], point["cost"]) for point in curve]
    return {
        "precision-recall": line_plot("churn: precision by recall", [Line("precision", pairs)], "recall", "precision"),
        "cost": line_plot("churn: cost by cutoff", [Line("cost", costs)], "cutoff", "cost per customer"),
    }


def _is_tried(name: str, trials: list[Told]) -> bool:
    values = [trial["settings"].get(name) for trial in trials]
    return all(type(value) in (int, float) for value in values) and len(set(values)) > 1


def _bytes(model: msgspec.Struct) -> int:
    return len(msgspec.msgpack.encode(model, enc_hook=lambda array: array.tobytes()))


def _shapes(model: msgspec.Struct) -> dict[str, str]:
    fields = msgspec.structs.asdict(model)
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: " × ".join(map(str, array.shape)) for name, array in arrays.items()}
