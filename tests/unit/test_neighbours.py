"""Titles that the same viewers saw, and what a viewer is told to watch next."""

from __future__ import annotations

import numpy as np
import pytest

from batch.recommenders.neighbours import _alike, co_viewed
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.scoring import watch_next
from lambda_arch.tiles import Seen

NEAR = {"a": ["b", "c", "d"], "b": ["a"], "c": [], "d": ["c", "a"]}


def test_similarity_is_the_cosine_of_who_saw_a_title() -> None:
    viewer, item = np.array([7, 7, 8, 8, 9]), np.array([0, 1, 0, 2, 0])
    near = co_viewed(viewer, item, 3, 100)
    found = {
        (title, int(other)): round(float(value), 4)
        for title in range(3)
        for other, value in zip(near.rows[title], near.similarities[title], strict=True)
        if value
    }
    assert found == {(0, 1): 0.5774, (0, 2): 0.5774, (1, 0): 0.5774, (2, 0): 0.5774}


def test_only_the_nearest_are_kept() -> None:
    """Title 0 shares two viewers with title 1 and one with title 2."""
    near = co_viewed(np.array([1, 1, 1, 2, 2]), np.array([0, 1, 2, 0, 1]), 3, 1)
    assert near.rows[0].tolist() == [1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 1, 4, 2, 0]])
def test_the_order_in_which_views_come_changes_nothing(order: list[int]) -> None:
    viewer, item = np.array([1, 1, 2, 2, 3, 3])[order], np.array([0, 1, 1, 2, 0, 2])[order]
    near, usual = co_viewed(viewer, item, 3, 2), co_viewed(np.sort(viewer), np.array([0, 1, 1, 2, 0, 2]), 3, 2)
    assert (near.rows == usual.rows).all()
    assert (near.similarities == usual.similarities).all()


def test_titles_that_nobody_saw_have_the_neighbours_of_their_factors() -> None:
    factors = np.array([[1, 0], [0.9, 0.1], [-1, 0]], dtype=np.float32)
    near = _alike(factors, np.array([0, 2]), 2)
    assert near.rows[0][near.similarities[0] > 0].tolist() == [1]
    assert not near.similarities[1].any(), "all others point away"


def history(*titles: str) -> list[Seen]:
    return [Seen(-number, 0, title, 1_000_000) for number, title in enumerate(titles)]


def model() -> RecommendModel:
    names = list(NEAR)
    rows = [[names.index(other) for other in others] + [-1] * (3 - len(others)) for others in NEAR.values()]
    factors = np.ones((len(names), 2), dtype=np.float32)
    return RecommendModel("als", 1, names, factors, FoldIn(1.0, 1.0), [], near=np.array(rows, dtype=np.int32))


@pytest.mark.parametrize(
    ("seen", "following"),
    [
        (["a"], ("a", ["b", "c"])),
        (["a", "b"], ("a", ["c", "d"])),
        (["b", "a"], ("a", ["c", "d"])),
        (["c", "a"], ("a", ["b", "d"])),
        (["unknown", "a"], ("a", ["b", "c"])),
        (["a", "b", "c", "d"], None),
        (["c"], None),
        ([], None),
    ],
)
def test_next_is_what_is_nearest_to_the_title_watched_last(
    seen: list[str], following: tuple[str, list[str]] | None
) -> None:
    assert watch_next(model(), history(*seen), 2) == following
