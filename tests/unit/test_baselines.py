"""Baseline lists against literal tables."""

from __future__ import annotations

import numpy as np

from batch.recommenders.baselines import RecommendBaselines, _recent
from lambda_arch.clock import DAY
from lambda_arch.tiles import MILLION, Seen


def history(*titles: str, time: int = 0) -> list[Seen]:
    return [Seen(time, 0, title, MILLION) for title in titles]


def baselines() -> RecommendBaselines:
    """Four titles; `d` is popular in the second period, which begins at 100."""
    return RecommendBaselines(
        titles=list("abcd"),
        popular=np.array([0, 1, 2, 3]),
        begins=np.array([100]),
        recent=np.array([[1, 0, 2, 3], [3, 1, 0, 2]]),
        neighbours=np.array([[1, 2], [0, 2], [1, 3], [0, 2]]),
        similarities=np.array([[0.9, 0.5], [0.9, 0.3], [0.3, 0.2], [0.0, 0.2]], dtype=np.float32),
    )


def test_lists_leave_out_what_was_seen_and_are_of_the_viewer_s_time() -> None:
    assert baselines().lists(history("b", time=99), 2) == {
        "popular": ["a", "c"], "recently_popular": ["a", "c"], "item_item": ["a", "c"]
    }  # fmt: skip
    assert baselines().lists(history("b", time=100), 2)["recently_popular"] == ["d", "a"]


def test_of_nobody_the_newest_popularity_and_no_neighbours() -> None:
    assert baselines().lists([], 2) == {"popular": ["a", "b"], "recently_popular": ["d", "b"], "item_item": []}
    assert baselines().lists(history("unknown"), 2)["item_item"] == []


def test_newer_titles_weigh_more_among_neighbours() -> None:
    old = history(*["c"], *["unknown"], "a")
    assert baselines().lists(old, 2)["item_item"] == ["b", "d"]
    assert baselines().lists(history("d", "a"), 1)["item_item"] == ["b"]


def test_popularity_fades_by_half_in_its_half_life() -> None:
    """Title 0 three times on the first day, title 1 twice a year later: an older event weighs a quarter by then."""
    begins, recent = _recent(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 360, 360]) * DAY, 2)
    assert begins.tolist() == [0, 0, 360 * DAY, 360 * DAY]
    assert recent[[0, 2, 4]].tolist() == [[0, 1], [0, 1], [1, 0]]
