"""Usefulness and drift of features whose worth is planted."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from batch.customers.usefulness import churn_uses, distribution, feature_rows, segment_uses, stability_index
from lambda_arch.models import ChurnModel, Models

CHANCE = np.random.default_rng(20160101)
LABELS = (CHANCE.uniform(size=2000) < 0.3).astype(float)
NAMES = ["count:support", "number:noise", "number:constant"]
VECTORS = np.column_stack([LABELS + CHANCE.normal(0, 0.5, 2000), CHANCE.normal(size=2000), np.ones(2000)])
SLOPES = np.array([2.0, 0.0, 1.0])


def churn_model(vectors: np.ndarray, previous: ChurnModel | None = None) -> ChurnModel:
    return ChurnModel(
        name="logistic_regression", version=1, features=NAMES, coefficients=SLOPES, intercept=0.0, cutoff=0.5,
        base_rate=0.3, uses=churn_uses(NAMES, vectors, LABELS, SLOPES, previous),
    )  # fmt: skip


def test_what_tells_who_leaves_is_useful_and_noise_and_constants_are_not() -> None:
    support, noise, constant = (use.measures for use in churn_model(VECTORS).uses)
    assert support["auc"] > 0.9
    assert support["coefficient"] == pytest.approx(2 * VECTORS[:, 0].std(), abs=1e-6)
    assert noise["auc"] == pytest.approx(0.5, abs=0.05)
    assert constant == {"coefficient": 0.0, "auc": 0.5}


def test_drift_is_nil_for_the_same_night_and_large_for_a_planted_shift() -> None:
    first = churn_model(VECTORS)
    assert [use.drift for use in first.uses] == [None] * 3
    assert [use.drift for use in churn_model(VECTORS, first).uses] == [0.0, 0.0, 0.0]
    shifted = churn_model(VECTORS + np.array([0.0, 1.0, 0.0]), first)
    support, noise, constant = (use.drift for use in shifted.uses)
    assert (support, constant) == (0.0, 0.0)
    assert noise is not None
    assert noise > 0.25


def test_a_feature_that_is_new_has_no_drift() -> None:
    first = churn_model(VECTORS)
    renamed = msgspec.structs.replace(first, features=["number:other", *NAMES[1:]])
    assert [use.drift for use in churn_model(VECTORS, renamed).uses] == [None, 0.0, 0.0]


def test_the_report_has_the_most_useful_first() -> None:
    rows = feature_rows(Models(generation=1, horizon=0, churn=churn_model(VECTORS)))
    assert [row.name for row in rows["churn"]] == ["count:support", "number:noise", "number:constant"]
    assert list(rows) == ["churn"]


def test_segments_are_told_by_what_differs_between_them() -> None:
    rows = np.arange(300) % 3
    vectors = np.column_stack([rows + CHANCE.normal(0, 0.1, 300), CHANCE.normal(size=300), np.ones(300), rows * 1.0])
    found = [use.measures["f_ratio"] for use in segment_uses(["titles", "a", "b", "c"], vectors, rows, None)]
    assert found[0] > 100 > 10 > found[1]
    assert found[2] == 0.0
    assert found[3] == 1e9  # it does not vary within any


@pytest.mark.parametrize(
    ("edges", "values", "expected"),
    [
        ([0.0], [0, 0, 0, 1], [0.75, 0.25]),
        ([0.0, 1.0], [0, 1, 1, 1], [0.25, 0.75, 0.0]),
        ([1.0, 2.0], [0, 1, 1.5, 3], [0.5, 0.25, 0.25]),
    ],
)
def test_shares_are_of_the_values_up_to_each_edge(
    edges: list[float], values: list[float], expected: list[float]
) -> None:
    assert distribution(np.array(values, dtype=float), np.array(edges)) == expected


def test_the_stability_index_by_hand() -> None:
    assert stability_index([0.5, 0.5], [0.8, 0.2]) == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
