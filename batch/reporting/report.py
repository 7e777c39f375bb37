"""A night's report: what went in, what was tried, chosen, judged and measured, and what changed; one page and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jinja2 import Environment, StrictUndefined

from batch.reporting.plots import plots_of
from batch.reporting.svg import drawn
from batch.reporting.tried import apart
from batch.reporting.tried import told as told_settings
from batch.stored import Stored
from lambda_arch.fidelity import METRICS
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, UseCase

Told = dict[str, Any]
Named = tuple[str, Any]
CAPTIONS = {
    "fidelity": ": how good each answer is by how many events batch has not seen, with standard errors. "
    "Hollow: too few cases of its own, pooled with its neighbours.",
    "calibration": ": of customers given about the same probability, the share that left. "
    "On the dotted line probabilities mean what they say.",
    "precision-recall": ": of those called the share that leaves, by the share of those who leave that is called.",
    "cost": ": what calling everybody from a cutoff on would cost. The cutoff in use is where it is least.",
}


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
        "changes": differences(report, previous.report, measured) if previous else [],
        "changed_settings": differences(report, previous.report, settings_of) if previous else [],
        "sizes": sizes(generation.models()),
        "curve": cutoff_curve(generation.models()),
    }


def rendered(told: Told) -> str:
    """The page: nothing in it comes from elsewhere."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": figure, "setting": setting, "words": in_words, "told": told_settings}
    environment.globals |= {"moved": moved, "apart": apart, "captions": CAPTIONS}
    template = environment.from_string(files("batch.reporting").joinpath("report.html").read_text(encoding="utf-8"))
    plots = {use_case: drawings_of(use_case, told) for use_case in USE_CASES}
    return template.render(told=told, use_cases=USE_CASES, metrics=METRICS, plots=plots)


def drawings_of(use_case: UseCase, told: Told) -> dict[str, str]:
    """A use case's plots (SVG) by name, those for which there are figures."""
    return {name: drawn(plot) for name, plot in plots_of(use_case, told).items()}


def differences(report: Told, previous: Told, figures: Callable[[Told], Iterator[Named]]) -> list[tuple[str, Any, Any]]:
    """Figures that are others than those of the generation before: what, then, now."""
    now, then = dict(figures(report)), dict(figures(previous))
    return [(name, then.get(name), now.get(name)) for name in {**then, **now} if then.get(name) != now.get(name)]


def sizes(models: Models) -> dict[str, dict[str, Any]]:
    """Bytes as stored and shape, per model in service."""
    found = {name: model for name in USE_CASES if (model := getattr(models, name)) is not None}
    return {name: {"kilobytes": _bytes(model) / 1000, "arrays": _shapes(model)} for name, model in found.items()}


def figure(value: Any) -> str:
    """A measure as a reader wants it: whole numbers grouped, others to three places, the rest as it is."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def setting(value: Any) -> str:
    """A setting as a reader wants it: as many places as it has."""
    return f"{value:g}" if isinstance(value, float) else figure(value)


def in_words(name: Any) -> Any:
    """A name as it is read: `base_rate` is two words."""
    return str(name).replace("_", " ")


def moved(then: Any, now: Any) -> str:
    """By how much a number moved; empty of what is no number."""
    if not all(type(value) in (int, float) for value in (then, now)):
        return ""
    return f"{now - then:+,}" if isinstance(now - then, int) else f"{now - then:+,.3f}"


def cutoff_curve(models: Models) -> list[dict[str, float]]:
    """Precision, recall and cost by churn's cutoff, as its model has them."""
    points = getattr(models.churn, "curve", [])
    return [{name: getattr(point, name) for name in ("cutoff", "precision", "recall", "cost")} for point in points]


def measured(report: Told) -> Iterator[Named]:
    """What is compared from night to night: data, models in service, and how good they are where nothing is unseen."""
    for name in ("users", "titles"):
        yield name, report.get(name)
    for table, source in report.get("data", {}).items():
        yield f"rows of {table}", source["rows"]
    for use_case in USE_CASES:
        yield f"{use_case}: model", report["models"].get(use_case)
        answered = report["fidelity"]["measures"].get(use_case, {}).get("batch", {})
        yield f"{use_case}: {METRICS[use_case]}", answered.get("0", {}).get("value")


def settings_of(report: Told) -> Iterator[Named]:
    """What every use case was trained with."""
    for use_case in USE_CASES:
        settings = report.get("settings", {}).get(use_case, {})
        yield from ((f"{use_case}: {name}", value) for name, value in told_settings(settings))


def _bytes(model: msgspec.Struct) -> int:
    return len(msgspec.msgpack.encode(model, enc_hook=lambda array: array.tobytes()))


def _shapes(model: msgspec.Struct) -> dict[str, str]:
    fields = msgspec.structs.asdict(model)
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: " × ".join(map(str, array.shape)) for name, array in arrays.items()}
