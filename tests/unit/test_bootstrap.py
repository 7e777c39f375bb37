"""Errors by bootstrap: against formulas, on cases whose dependence is planted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from batch.measures.bootstrap import UNKNOWN, Floats, clustered, interval, standard_errors

RESAMPLES = 4000


def error(entity: Floats, values: Floats, seed: int = 1) -> float:
    grouped = clustered(entity.astype(np.int64), values[:, None], np.ones((len(values), 1), dtype=np.bool_))
    return float(standard_errors(grouped.resampled(RESAMPLES, seed), grouped.entities())[0])


@pytest.mark.parametrize("cases", [10, 300])
def test_of_independent_cases_it_is_the_standard_deviation_by_the_root_of_their_number(cases: int) -> None:
    values = np.random.default_rng(2).normal(size=cases)
    analytic = np.std(values, ddof=1) / math.sqrt(cases)
    assert error(np.arange(cases), values) == pytest.approx(analytic, rel=0.05)


def test_of_an_entity_s_equal_cases_it_is_that_of_one_case_each() -> None:
    values = np.random.default_rng(3).normal(size=100)
    entity, repeated = np.repeat(np.arange(100), 9), np.repeat(values, 9)
    assert error(entity, repeated) == pytest.approx(error(np.arange(100), values))
    assert error(entity, repeated) == pytest.approx(3 * error(np.arange(900), repeated), rel=0.06)


def test_an_entity_s_opposite_cases_cancel() -> None:
    values = np.random.default_rng(4).normal(size=100)
    assert error(np.tile(np.arange(100), 2), np.concatenate([values, -values])) == pytest.approx(0, abs=1e-12)


def test_a_single_entity_tells_nothing_about_the_spread() -> None:
    assert error(np.zeros(5), np.arange(5.0)) == UNKNOWN


def test_columns_have_cases_of_their_own() -> None:
    entity = np.array([0, 0, 1, 2])
    values = np.array([[1.0, 9.0], [3.0, 9.0], [5.0, 4.0], [7.0, np.nan]])
    present = np.array([[True, False], [True, False], [True, True], [True, False]])
    grouped = clustered(entity, values, present)
    assert grouped.means().tolist() == [4.0, 4.0]
    assert grouped.entities().tolist() == [3, 1]
    drawn = grouped.resampled(1000, 1)
    assert set(drawn[~np.isnan(drawn[:, 1]), 1]) == {4.0}
    assert np.isnan(drawn[:, 1]).mean() == pytest.approx((2 / 3) ** 3, abs=0.05)


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    values = np.random.default_rng(5).normal(size=50)
    assert error(np.arange(50), values, seed=7) == error(np.arange(50), values, seed=7)
    assert error(np.arange(50), values, seed=7) != error(np.arange(50), values, seed=8)


def test_an_interval_leaves_a_fortieth_on_either_side() -> None:
    assert interval(np.arange(1001.0)[:, None])[:, 0].tolist() == [25.0, 975.0]
