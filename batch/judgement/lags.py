"""Fidelity by lag: means over a panel's cases with bootstrapped errors; lags with too few cases borrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch.judgement.cases import INCUMBENT
from batch.judgement.panel import Panel
from batch.measures.bootstrap import Floats, clustered, standard_errors
from lambda_arch.fidelity import BUCKETS, Measure

LAYERS = ("batch", "speed")


@dataclass(frozen=True)
class Bootstrap:
    """How errors are measured, and how many cases a bucket needs of its own."""

    resamples: int
    seed: int
    least_cases: int


@dataclass(frozen=True)
class Column:
    """Somebody's means [buckets], resampled [resamples, buckets], and who has a case [entities, buckets]."""

    means: Floats
    drawn: Floats
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class ByLag:
    """Measures by layer or baseline and bucket, and by bucket what speed measures above batch."""

    measures: dict[str, dict[str, Measure]]
    gains: dict[str, Measure]


def by_lag(panel: Panel, prefix: str, bootstrap: Bootstrap) -> ByLag:
    """The measures of one contestant's layers (by the prefix of their answers) and of the baselines."""
    columns = {layer: panel.answers[prefix + layer] for layer in LAYERS}
    columns["gain"] = columns["speed"] - columns["batch"]
    columns |= {name: values for name, values in panel.answers.items() if not of_a_layer(name)}
    here = np.stack([panel.bucket == name for name in BUCKETS], axis=1)
    values = np.repeat(np.stack(list(columns.values()), axis=1), len(BUCKETS), axis=1)
    grouped = clustered(panel.entity, values, np.tile(here, (1, len(columns))))
    means = grouped.means().reshape(len(columns), len(BUCKETS))
    drawn = grouped.resampled(bootstrap.resamples, bootstrap.seed).reshape(-1, len(columns), len(BUCKETS))
    present, cases = grouped.counts[:, : len(BUCKETS)] > 0, dict(zip(BUCKETS, here.sum(axis=0).tolist(), strict=True))
    weights = shares(cases, bootstrap.least_cases)
    found = {
        name: {at: _measure(at, of, cases[at], Column(means[number], drawn[:, number], present))
               for at, of in weights.items()}
        for number, name in enumerate(columns)
    }  # fmt: skip
    gains = found.pop("gain")
    return ByLag(found, gains)


def of_a_layer(name: str) -> bool:
    """Whether an answer is a layer's, be it with the incumbent's models, and not a baseline's."""
    return name.removeprefix(INCUMBENT) in LAYERS


def shares(cases: Mapping[str, int], least: int) -> dict[str, dict[str, float]]:
    """Of each bucket the weights of the buckets that its figures are made of; absent where nothing can be had.

    What a bucket lacks of `least` cases comes from the nearest buckets, both sides alike by their cases. Lag 0 neither
    lends nor borrows: there both layers know the same, and nowhere else.
    """
    found = {}
    for place, name in enumerate(BUCKETS):
        taken = {name: float(cases.get(name, 0))} if cases.get(name) else {}
        for distance in range(1, len(BUCKETS)) if place else ():
            lacking = least - sum(taken.values())
            near = [BUCKETS[at] for at in (place - distance, place + distance) if 0 < at < len(BUCKETS)]
            lenders = {bucket: cases[bucket] for bucket in near if cases.get(bucket)}
            offered = sum(lenders.values())
            if lacking > 0 and offered:
                taken |= {bucket: count * min(1.0, lacking / offered) for bucket, count in lenders.items()}
        if taken:
            found[name] = {bucket: count / sum(taken.values()) for bucket, count in taken.items()}
    return found


def _measure(at: str, weights: Mapping[str, float], cases: int, column: Column) -> Measure:
    """A bucket's measure. Borrowed figures err by how far the pooled buckets lie apart as well."""
    rows, weight = [BUCKETS.index(name) for name in weights], np.array(list(weights.values()))
    value = float(weight @ column.means[rows])
    entities = column.present[:, rows].any(axis=1).sum(keepdims=True)
    error = standard_errors((column.drawn[:, rows] @ weight)[:, None], entities)[0]
    apart = float(weight @ (column.means[rows] - value) ** 2) ** 0.5
    borrowed = tuple(name for name in BUCKETS if name in weights and name != at)
    return Measure(round(value, 6), round(float(np.hypot(error, apart)), 6), cases, borrowed)
