"""What a night plots, as points: fidelity by lag, candidates by setting, churn's calibration and cutoff.

`svg` draws it for the page and the registry, `fidelity_plot` into a file of any kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from batch.reporting.tried import apart
from lambda_arch.fidelity import BUCKETS, METRICS, FidelityTable, Measure
from lambda_arch.records import UseCase

LAYERS = ("batch", "speed")
# Lines stand side by side by so much of the way between two lags: layers that are equal would hide each other.
BESIDE = 0.06


class Line(NamedTuple):
    """Points in order of x; errors, where there are any, one per point and to both sides.

    `hollow`: which points are not wholly of their own cases; `aside`: whether the line is only to compare with.
    """

    name: str
    points: Sequence[tuple[float, float]]
    errors: Sequence[float] = ()
    hollow: Sequence[bool] = ()
    aside: bool = False


class Plot(NamedTuple):
    """Lines over one axis; with `names` x counts them (0, 1, …)."""

    title: str
    lines: Sequence[Line]
    x_label: str
    y_label: str
    names: Sequence[str] = ()


def plots_of(use_case: UseCase, told: Mapping[str, Any]) -> dict[str, Plot]:
    """A use case's plots by name, those that there are; `told` is a night's report."""
    shown = told.get("evidence", {}).get(use_case, {})
    found = {
        "fidelity": fidelity(use_case, msgspec.convert(told["fidelity"], FidelityTable)),
        **_candidates(use_case, told.get("trials", {}).get(use_case, [])),
        "calibration": _calibration(use_case, shown.get("calibration", [])),
        **(_cutoffs(told.get("curve", [])) if use_case == "churn" else {}),
    }
    return {name: plot for name, plot in found.items() if any(line.points for line in plot.lines)}


def fidelity(use_case: UseCase, table: FidelityTable) -> Plot:
    """Every layer's and baseline's measure by how many events of the entity it has not seen; hollow: borrowed."""
    layers = table.measures.get(use_case, {})
    ordered = sorted(layers, key=lambda name: (name not in LAYERS, name))
    lines = [
        _by_lag(name, layers[name], BESIDE * (number - (len(layers) - 1) / 2)) for number, name in enumerate(ordered)
    ]
    return Plot(f"{use_case}: fidelity by lag", lines, "events that batch has not seen", METRICS[use_case], BUCKETS)


def _by_lag(name: str, measures: Mapping[str, Measure], beside: float) -> Line:
    shown = [(BUCKETS.index(bucket) + beside, measures[bucket]) for bucket in BUCKETS if bucket in measures]
    return Line(
        name.replace("_", " "),
        points=[(place, measure.value) for place, measure in shown],
        errors=[measure.standard_error for _, measure in shown],
        hollow=[bool(measure.borrowed) for _, measure in shown],
        aside=name not in LAYERS,
    )


def _candidates(use_case: UseCase, trials: Sequence[Mapping[str, Any]]) -> dict[str, Plot]:
    """The deciding metric by the one setting that was tried, if it is a number: silhouette by k, say."""
    alike = [trial for trial in trials if trial["name"] == trials[0]["name"]]
    tried = apart(alike)
    if len(tried.settings) != 1 or type(tried.values[0][0]) not in (int, float):
        return {}
    [setting], metric = tried.settings, next(iter(alike[0]["metrics"]))
    found = sorted((x, trial["metrics"][metric], trial["standard_error"])
                   for [x], trial in zip(tried.values, alike, strict=True))  # fmt: skip
    line = Line("candidates", [(x, y) for x, y, _ in found], [error for _, _, error in found])
    name = f"{metric} by {setting}"
    return {name: Plot(f"{use_case}: {name}", [line], setting, metric)}


def _calibration(use_case: UseCase, bins: Sequence[Mapping[str, float]]) -> Plot:
    """The share that happened by the probability told, in bins; on the dotted line both are the same."""
    points = [(found["predicted"], found["happened"]) for found in bins]
    errors = [(share * (1 - share) / found["count"]) ** 0.5 for (_, share), found in zip(points, bins, strict=True)]
    lines = [Line("tonight's model", points, errors), Line("as told", [(0.0, 0.0), (1.0, 1.0)], aside=True)]
    return Plot(f"{use_case}: calibration", lines if points else [], "probability told", "share that happened")


def _cutoffs(curve: Sequence[Mapping[str, float]]) -> dict[str, Plot]:
    """What a person who moves the cutoff would get."""
    pairs = sorted((point["recall"], point["precision"]) for point in curve)
    costs = [(point["cutoff"], point["cost"]) for point in curve]
    return {
        "precision-recall": Plot("churn: precision by recall", [Line("precision", pairs)], "recall", "precision"),
        "cost": Plot("churn: cost by cutoff", [Line("cost", costs)], "cutoff", "cost per customer"),
    }
