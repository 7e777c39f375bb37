"""One user's list under conditions, against a full sort and the formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.shortlist import diversified, relevance, shortlist, weighed

seeds = st.integers(0, 2**32 - 1)


def model(rng: np.random.Generator, titles: int = 60, rank: int = 4) -> RecommendModel:
    factors = rng.normal(size=(titles, rank)).astype(np.float32)
    return RecommendModel("als", 1, [f"t{row}" for row in range(titles)], factors, FoldIn(1.0, 1.0), [])


@given(seeds, st.integers(1, 70), st.floats(0, 1))
def test_the_list_is_that_of_a_full_sort_without_what_is_hidden(seed: int, count: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    als, user = model(rng), rng.normal(size=4)
    hidden, weights = rng.uniform(size=60) < share, rng.choice([0.5, 1.0, 3.0], 60)
    scores = weighed(als.factors.astype(np.float64) @ user, weights)
    expected = [row for row in np.lexsort((np.arange(60), -scores)) if not hidden[row]][:count]
    best = shortlist(als, user, hidden, weights, count)
    assert best.rows.tolist() == expected
    assert best.scores == pytest.approx(scores[expected])


def test_more_weight_is_better_for_a_negative_score_too() -> None:
    assert weighed(np.array([2.0, -2.0]), 2.0).tolist() == [4.0, -1.0]
    assert weighed(np.array([2.0, -2.0]), 0.5).tolist() == [1.0, -4.0]


@given(seeds, st.floats(0, 1), st.integers(0, 14))
def test_each_next_one_has_the_greatest_marginal_relevance(seed: int, diversity: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    wanted, vectors = np.sort(rng.uniform(size=12))[::-1], rng.normal(size=(12, 3))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = diversified(wanted, vectors, diversity, count).tolist()
    assert len(set(chosen)) == len(chosen) == min(count, 12)
    for place, row in enumerate(chosen[1:], start=1):
        before = chosen[:place]
        gain = {
            other: (1 - diversity) * wanted[other] - diversity * max(unit[other] @ unit[one] for one in before)
            for other in set(range(12)) - set(before)
        }
        assert gain[row] == pytest.approx(max(gain.values()))


def test_without_diversity_the_order_stays_and_twins_are_parted_by_it() -> None:
    vectors, wanted = np.array([[1.0, 0], [1, 0], [0, 1]]), np.array([1.0, 0.9, 0.5])
    assert diversified(wanted, vectors, 0.0, 3).tolist() == [0, 1, 2]
    assert diversified(wanted, vectors, 0.5, 3).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([7.0], [1.0]),
        ([3.0, 2.0, 1.0], [1.0, 0.5, 0.0]),
        ([2.0, 2.0], [1.0, 1.0]),
        ([3.0, float("nan")], [1.0, 0.5]),
    ],
    ids=["none", "one", "by score", "equals", "by place where one has no score"],
)
def test_relevance(scores: list[float], expected: list[float]) -> None:
    assert relevance(np.array(scores)).tolist() == expected
