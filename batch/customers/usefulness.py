"""What each feature is good for in a model, and whether its values have moved since the night before."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from batch.customers.feature_vectors import Floats
from lambda_arch.models import ChurnModel, FeatureUse, Models, SegmentModel
from lambda_arch.records import UseCase

TENTHS = np.arange(1, 10) / 10
Described = ChurnModel | SegmentModel
_FLOOR, _MOST = 1e-4, 1e9


class FeatureRow(msgspec.Struct, frozen=True):
    """A feature in a night's report: measures of its usefulness by name, and drift against the night before."""

    name: str
    measures: dict[str, float]
    drift: float | None


def feature_rows(models: Models) -> dict[UseCase, list[FeatureRow]]:
    """The features of the models in service, in each the most useful first."""
    described: dict[UseCase, Described | None] = {"churn": models.churn, "segment": models.segment}
    return {use_case: _most_useful_first(model) for use_case, model in described.items() if model}


def churn_uses(
    features: Sequence[str], vectors: Floats, labels: Floats, coefficients: Floats, previous: ChurnModel | None
) -> list[FeatureUse]:
    """Per feature `coefficient`, of the standardised feature, and `auc`, of the feature alone (0.5: tells nothing)."""
    strengths = coefficients * vectors.std(axis=0)
    found = [
        {"coefficient": float(strength), "auc": float(roc_auc_score(labels, column))}
        for strength, column in zip(strengths, vectors.T, strict=True)
    ]
    return _uses(features, vectors, found, previous)


def segment_uses(
    features: Sequence[str], vectors: Floats, rows: NDArray[np.int64], previous: SegmentModel | None
) -> list[FeatureUse]:
    """Per feature `f_ratio`: variance between the segments over that within them; 0 for a constant."""
    ratios = _f_ratios(vectors, rows)
    return _uses(features, vectors, [{"f_ratio": float(ratio)} for ratio in ratios], previous)


def distribution(values: Floats, edges: Floats) -> list[float]:
    """Shares of the values up to each edge, and above the last."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return [round(float(share), 6) for share in counts / max(1, len(values))]


def stability_index(then: Sequence[float], now: Sequence[float]) -> float:
    """Population stability index of two lists of shares: below 0.1 is little, above 0.25 much (Siddiqi 2006)."""
    old, new = np.maximum(then, _FLOOR), np.maximum(now, _FLOOR)
    return float(((new - old) * np.log(new / old)).sum())


def _f_ratios(vectors: Floats, rows: NDArray[np.int64]) -> Floats:
    """At most _MOST, which is what a feature has that does not vary within any segment."""
    kinds, rows = np.unique(rows, return_inverse=True)
    centres = np.array([vectors[rows == kind].mean(axis=0) for kind in range(len(kinds))])
    within = ((vectors - centres[rows]) ** 2).sum(axis=0) / max(1, len(rows) - len(kinds))
    between = ((centres[rows] - vectors.mean(axis=0)) ** 2).sum(axis=0) / max(1, len(kinds) - 1)
    return np.asarray(np.minimum(between / np.maximum(within, between / _MOST + np.finfo(float).tiny), _MOST))


def _most_useful_first(model: Described) -> list[FeatureRow]:
    uses = zip(model.features, model.uses, strict=True)
    rows = [FeatureRow(name, use.measures, use.drift) for name, use in uses]
    return sorted(rows, key=lambda row: -abs(next(iter(row.measures.values()))))


def _uses(
    features: Sequence[str],
    vectors: Floats,
    measured: list[dict[str, float]],
    previous: Described | None,
) -> list[FeatureUse]:
    known = dict(zip(previous.features, previous.uses, strict=True)) if previous and previous.uses else {}
    found = []
    for name, values, use in zip(features, vectors.T, measured, strict=True):
        edges = np.unique(np.quantile(values, TENTHS))
        rounded = {measure: round(value, 6) for measure, value in use.items()}
        drift = _drift(values, known[name]) if name in known else None
        found.append(FeatureUse(rounded, edges.tolist(), distribution(values, edges), drift))
    return found


def _drift(values: Floats, then: FeatureUse) -> float:
    return round(stability_index(then.shares, distribution(values, np.array(then.edges))), 6)
