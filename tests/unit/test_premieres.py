"""The judging of new titles: no view is told of itself or of what came after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks import premieres
from benchmarks.premieres import View, judged
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.tiles import MILLION, Seen

MODEL = RecommendModel("als", 1, ["a", "b"], np.eye(2, dtype=np.float32), FoldIn(1.0, 10.0), [0, 1])


def view(viewer: str, title: str, taste: str) -> View:
    return View(viewer, title, (Seen(1, 0, taste, MILLION),))


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Sequence[View]:
    """Two titles, each seen by those of a taste; the first place is all that counts, and all is renewed at once."""
    monkeypatch.setattr(premieres, "RENEWED", 1)
    monkeypatch.setattr(premieres, "CUT", 1)
    return [view(f"{taste}{number}", f"new {taste}", taste) for number in range(4) for taste in "ab"]


def test_the_next_of_a_taste_is_offered_what_the_others_of_it_saw(views: Sequence[View]) -> None:
    found = list(judged(MODEL, views))
    assert [one.viewers for one in found] == [1, 1, 2, 2, 3, 3]
    assert all(one.places["ours"] == (1.0, 1.0, 1.0) for one in found)
    assert all(one.against["ours"] == 0.5 for one in found)
    assert {one.places["content"][2] for one in found} == {0.5}


def test_between_two_renewals_nothing_is_known(views: Sequence[View], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(premieres, "RENEWED", 4)
    assert [one.viewers for one in judged(MODEL, views)] == [2, 2, 2, 2]


def test_what_a_viewer_has_seen_is_no_rival_and_who_is_unknown_is_not_judged(views: Sequence[View]) -> None:
    again, stranger = view("a0", "new b", "a"), View("stranger", "new a", ())
    assert list(judged(MODEL, [*views, again, stranger]))[6:] == []
