"""The metrics against figures worked out by hand or by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.measures.answers import minus_log_loss, ndcg
from demo.quality import auc, near_share, same_segment, told_churn, watched_next


@pytest.mark.parametrize(
    ("listed", "relevant", "expected"),
    [
        pytest.param(["a", "b"], ["a", "b"], 1.0, id="all of them, best first, is one"),
        pytest.param(["x", "y"], ["a"], 0.0, id="none of them is zero"),
        pytest.param(["x", "a"], ["a"], 1 / math.log2(3), id="one in second place is discounted"),
        pytest.param(["a", "x", "b"], ["a", "b", "c"], 1.5 / (1 + 1 / math.log2(3) + 0.5), id="two of three"),
        pytest.param([*"xxxxxxxxxx", "a"], ["a"], 0.0, id="beyond the tenth place counts nothing"),
        pytest.param(["a"], [], 0.0, id="nothing wanted is zero"),
    ],
)
def test_ndcg(listed: list[str], relevant: list[str], expected: float) -> None:
    assert ndcg(listed, relevant) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_ranked_right(told: list[tuple[int, bool]]) -> None:
    left = [score for score, happened in told if happened]
    stayed = [score for score, happened in told if not happened]
    if not (left and stayed):
        return
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in left for b in stayed]
    found = auc(np.array([float(score) for score, _ in told]), np.array([happened for _, happened in told]))
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_log_loss_is_zero_for_the_certain_and_right_and_finite_for_the_wrong() -> None:
    assert minus_log_loss(1.0, True) == minus_log_loss(0.0, False) == 0.0
    assert minus_log_loss(0.25, True) == pytest.approx(math.log(0.25))
    assert math.isfinite(minus_log_loss(0.0, True))


def test_metrics_look_up_the_entity_as_it_is_asked_for() -> None:
    assert watched_next({"u:1": ["a"]})("u:1", {"items": [{"title_id": "a"}]}) == 1.0
    assert told_churn({"u:1": True})("u:1", {"probability": 0.5}) == pytest.approx(math.log(0.5))
    assert same_segment({"u:1": 3})("u:1", {"segment": 3}) == 1.0
    assert near_share({"t:1": 0.75})("t:1", {"positive": 0.5}) == 0.75
