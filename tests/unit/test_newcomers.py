"""Vectors of new titles: the exact least squares, and what a model says is new."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.newcomers import CROWD, RIDGE, newcomer_vectors
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.search import Floats

RANK = 4


def least_squares(content: Floats, viewers: Floats, usual: Floats) -> Floats:
    """The same by a general solver, a row for each square."""
    crowd, ridge = np.sqrt(CROWD / len(usual)) * usual, np.sqrt(RIDGE) * np.eye(RANK)
    rows = np.concatenate([viewers, crowd, ridge])
    wanted = np.concatenate([np.ones(len(viewers)), crowd @ content, ridge @ content])
    return np.asarray(np.linalg.lstsq(rows, wanted, rcond=None)[0])


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 200))
def test_a_vector_is_the_least_squares_solution(seed: int, viewers: int, usual: int) -> None:
    rng = np.random.default_rng(seed)
    content, own, anybody = rng.normal(size=(1, RANK)), rng.normal(size=(viewers, RANK)), rng.normal(size=(usual, RANK))
    [found] = newcomer_vectors(content, [own], anybody)
    assert found == pytest.approx(least_squares(content[0], own, anybody), rel=1e-8, abs=1e-8)


def test_without_viewers_it_is_what_the_content_says_and_nothing_is_changed_in_place() -> None:
    content, nobody = np.arange(2.0 * RANK).reshape(2, RANK), np.zeros((0, RANK))
    usual = np.ones((3, RANK))
    first, second = newcomer_vectors(content, [nobody, usual], usual)
    assert first.tolist() == content[0].tolist()
    assert second.tolist() != content[1].tolist() == [4.0, 5.0, 6.0, 7.0]


def test_each_viewer_of_a_taste_draws_a_title_nearer_to_that_taste_alone() -> None:
    taste, other = np.array([0.3, 0, 0, 0]), np.array([0, 0.3, 0, 0])
    usual = np.array([taste, other])
    scores = [
        newcomer_vectors(np.zeros((1, RANK)), [np.array([taste] * count)], usual)[0] @ np.array([taste, other]).T
        for count in (1, 3, 10, 30)
    ]
    assert all(later[0] > before[0] for before, later in pairwise(scores))
    assert all(abs(score[1]) < 1e-12 for score in scores)
    assert scores[-1][0] < 1


def test_new_is_what_the_model_lacks_or_placed_by_content() -> None:
    factors = np.arange(6, dtype=np.float32).reshape(3, 2)
    model = RecommendModel("als", 1, ["a", "b", "placed"], factors, FoldIn(1.0, 1.0), [0, 1, 2], placed=1)
    assert [model.is_new(title) for title in ("a", "b", "placed", "unheard of")] == [False, False, True, True]
    assert model.content(["unheard of", "placed"]).tolist() == [[0, 0], [4, 5]]
    assert not RecommendModel("als", 1, ["a", "b", "placed"], factors, FoldIn(1.0, 1.0), []).is_new("placed")
