"""Calibration and the cost curve on outcomes drawn from known probabilities."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from batch.customers.calibration import cheapest, cost_curve, cross_calibrated, platt
from batch.measures.classification import Bin, calibration_error, reliability
from lambda_arch.recipes import Costs

CHANCE = np.random.default_rng(20160101)
LOG_ODDS = CHANCE.normal(-1, 1.5, 6000)
HAPPENED = (CHANCE.uniform(size=6000) < expit(LOG_ODDS)).astype(float)


def test_platt_takes_back_a_stretch_and_a_shift() -> None:
    slope, intercept = platt(3 * LOG_ODDS + 2, HAPPENED)
    assert (slope, intercept) == (pytest.approx(1 / 3, abs=0.03), pytest.approx(-2 / 3, abs=0.12))
    assert calibration_error(reliability(expit(3 * LOG_ODDS + 2), HAPPENED)) > 0.15
    assert calibration_error(reliability(expit(slope * (3 * LOG_ODDS + 2) + intercept), HAPPENED)) < 0.02


def test_bins_count_everybody_once_and_leave_out_the_empty_ones() -> None:
    told, happened = np.array([0.0, 0.05, 0.1, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    assert reliability(told, happened) == (Bin(0.025, 0.5, 2), Bin(0.1, 1.0, 1), Bin(0.975, 0.5, 2))
    everybody = reliability(expit(LOG_ODDS), HAPPENED)
    assert sum(found.count for found in everybody) == 6000
    assert sum(found.count * found.happened for found in everybody) == pytest.approx(HAPPENED.sum(), abs=0.01)
    assert all(found.happened == pytest.approx(found.predicted, abs=0.1) for found in everybody)


def test_what_orders_the_wrong_way_becomes_the_base_rate() -> None:
    slope, intercept = platt(-LOG_ODDS, HAPPENED)
    assert slope == 0
    assert expit(intercept) == pytest.approx(HAPPENED.mean(), abs=0.001)


def test_nobody_s_outcome_moves_their_own_probability() -> None:
    folds = np.arange(6000) % 3
    turned = np.where(folds == 1, 1 - HAPPENED, HAPPENED)
    before, after = (cross_calibrated(LOG_ODDS, labels, folds) for labels in (HAPPENED, turned))
    assert (before[folds == 1] == after[folds == 1]).all()
    assert (before[folds == 2] != after[folds == 2]).all()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.floats(0, 5), st.floats(0, 5),
)  # fmt: skip
def test_the_curve_is_whole_and_recall_only_falls(told: list[tuple[float, bool]], wrong: float, missed: float) -> None:
    probability, happened = (np.array(column, dtype=float) for column in zip(*told, strict=True))
    curve = cost_curve(probability, happened, Costs(false_positive=wrong, false_negative=missed))
    assert len(curve) == 101
    assert [point.cutoff for point in curve] == sorted({point.cutoff for point in curve})
    assert all(left.recall >= right.recall for left, right in pairwise(curve))
    assert min(point.cost for point in curve) == next(p.cost for p in curve if p.cutoff == cheapest(curve))


def test_the_cutoff_is_where_probability_repays_the_call() -> None:
    """With true probabilities calling pays from false_positive / (false_positive + false_negative) on."""
    for wrong, missed in ((1, 1), (1, 4), (3, 1)):
        curve = cost_curve(expit(LOG_ODDS), HAPPENED, Costs(false_positive=wrong, false_negative=missed))
        assert cheapest(curve) == pytest.approx(wrong / (wrong + missed), abs=0.08)


def test_the_curve_counts() -> None:
    probability, happened = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 1.0, 0.0, 1.0])
    curve = {
        point.cutoff: point for point in cost_curve(probability, happened, Costs(false_positive=1, false_negative=10))
    }
    at_half, everybody, nobody = curve[0.5], curve[0.0], curve[1.0]
    assert (at_half.precision, at_half.recall, at_half.cost) == (0.5, 0.5, 11 / 4)
    assert (everybody.precision, everybody.recall, everybody.cost) == (0.5, 1.0, 2 / 4)
    assert (nobody.precision, nobody.recall, nobody.cost) == (1.0, 0.0, 20 / 4)
