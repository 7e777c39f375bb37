"""Many users at once, against plain algebra for one user and a full sort."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch import search
from lambda_arch.ranking import best_rows, fold_in_many
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.scoring import top_titles, top_titles_many
from lambda_arch.tiles import MILLION, Seen

HOW = FoldIn(reg=0.4, alpha=3.0, floor=0.2, gain=2.0, memory=3.0, few=4.0)
TITLES, RANK = 300, 6

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True, params=[search.HEAD, 24])
def head(request: pytest.FixtureRequest) -> Iterator[None]:
    """A head that is the whole small catalogue, and one that leaves titles to be searched for or passed over."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(search, "HEAD", request.param)
        yield


lengths = st.lists(st.integers(0, 2 * RANK), min_size=1, max_size=12)


def model(factors: np.ndarray) -> RecommendModel:
    names = [f"t{number}" for number in range(len(factors))]
    return RecommendModel("als", 1, names, factors.astype(np.float32), HOW, [])


def histories(rng: np.random.Generator, titles: int, of_lengths: list[int]) -> list[list[Seen]]:
    """Titles of random strength, some of which no model knows."""
    return [
        [Seen(0, 0, f"t{row}", int(rng.integers(1, MILLION))) for row in rng.choice(titles + 9, length, replace=False)]
        for length in of_lengths
    ]


def plainly(als: RecommendModel, history: list[Seen]) -> Any:
    """One user's factors by the normal equations, in the dimension of the rank."""
    known = [entry for entry in history if entry.title in als.row]
    own = als.factors[[als.row[entry.title] for entry in known]].astype(np.float64)
    strength = np.array([entry.strength for entry in known]) / MILLION
    confidence = HOW.alpha * strength * (HOW.floor + HOW.gain * np.exp(-np.arange(len(known)) / HOW.memory))
    every = als.factors.astype(np.float64)
    reg = HOW.reg * min(1, len(known) / HOW.few)
    system = every.T @ every + own.T @ np.diag(confidence) @ own + reg * np.eye(als.factors.shape[1])
    return np.linalg.solve(system, own.T @ (1 + confidence))


@given(seeds, lengths)
def test_each_user_s_factors_are_those_of_the_normal_equations(seed: int, of_lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    als = model(rng.normal(size=(TITLES, RANK)))
    asked = histories(rng, TITLES, of_lengths)
    for user, history in zip(fold_in_many(als, asked), asked, strict=True):
        if any(entry.title in als.row for entry in history):
            assert user == pytest.approx(plainly(als, history), abs=1e-9)
        else:
            assert np.isnan(user).all()


def test_both_forms_agree_at_the_size_of_a_catalogue() -> None:
    rng = np.random.default_rng(3)
    als = model(rng.normal(size=(20_000, 64)) * 0.3)
    asked = histories(rng, 20_000, [*range(1, 128, 7), 63, 64, 65])
    assert fold_in_many(als, asked) == pytest.approx(np.array([plainly(als, history) for history in asked]), abs=1e-5)


@given(seeds, lengths)
def test_what_is_popular_of_late_is_added_to_the_scores_the_less_the_more_titles_are_known(
    seed: int, of_lengths: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    recent = rng.uniform(size=TITLES).astype(np.float32)
    how = msgspec.structs.replace(HOW, prior=2.0, fading=5.0)
    als = msgspec.structs.replace(model(rng.normal(size=(TITLES, RANK))), fold_in=how, recent=recent)
    asked = histories(rng, TITLES, of_lengths)
    for history, best in zip(asked, top_titles_many(als, asked, 7), strict=True):
        seen = [als.row[entry.title] for entry in history if entry.title in als.row]
        if seen:
            scores = als.factors @ plainly(als, history) + 2 * np.exp(-len(seen) / 5) * recent
            scores[seen] = -np.inf
            assert [score for _, score in best] == pytest.approx(sorted(scores)[:-8:-1], abs=1e-5)
            assert [scores[als.row[title]] for title, _ in best] == pytest.approx(
                [score for _, score in best], abs=1e-5
            )


@given(seeds, lengths, st.integers(1, 40), st.integers(1, 3))
def test_the_best_are_those_of_a_full_sort_with_ties_in_the_model_s_order(
    seed: int, of_lengths: list[int], count: int, levels: int
) -> None:
    """Factors of few levels: hundreds of titles with equal scores, at the cut too."""
    rng = np.random.default_rng(seed)
    als = model(rng.integers(0, levels + 1, size=(TITLES, 2)))
    users = rng.integers(-3, 4, size=(len(of_lengths), 2)).astype(np.float64)
    seen = [rng.choice(TITLES, length, replace=False).tolist() for length in of_lengths]
    for user, hidden, best in zip(users, seen, best_rows(als, users, seen, count), strict=True):
        scores = als.factors.astype(np.float64) @ user
        expected = [row for row in np.lexsort((np.arange(TITLES), -scores)) if row not in set(hidden)][:count]
        assert best.rows.tolist() == expected
        assert best.scores.tolist() == scores[expected].tolist()


@given(seeds, lengths, st.integers(1, 40))
def test_the_best_are_those_of_a_full_sort_where_few_titles_are_long(
    seed: int, of_lengths: list[int], count: int
) -> None:
    """Lengths that fall off steeply: most titles are passed over, and none that is among the best."""
    rng = np.random.default_rng(seed)
    als = model(rng.normal(size=(TITLES, RANK)) * np.exp(-rng.permutation(TITLES) / 30)[:, None])
    users = rng.normal(size=(len(of_lengths), RANK))
    seen = [rng.choice(TITLES, length, replace=False).tolist() for length in of_lengths]
    for user, hidden, best in zip(users, seen, best_rows(als, users, seen, count), strict=True):
        scores = als.factors.astype(np.float64) @ user
        expected = [row for row in np.lexsort((np.arange(TITLES), -scores)) if row not in set(hidden)][:count]
        assert best.rows.tolist() == expected


def test_scores_closer_than_float32_tells_are_told_apart() -> None:
    """A title better by a billionth comes first, wherever the rounding of a fast product puts it."""
    base = np.zeros((40, 2))
    base[:, 0] = 1.0
    base[7, 1] = 1.0
    best = best_rows(model(base), np.array([[1.0, 1e-9]]), [[]], 1)[0]
    assert best.rows.tolist() == [7]


@given(seeds, lengths, st.integers(1, 40))
def test_a_user_s_answer_does_not_depend_on_who_else_is_asked_about(
    seed: int, of_lengths: list[int], count: int
) -> None:
    rng = np.random.default_rng(seed)
    als = model(np.repeat(rng.normal(size=(TITLES // 2, RANK)), 2, axis=0))
    asked = histories(rng, TITLES, of_lengths)
    together = top_titles_many(als, asked, count)
    assert together == [top_titles(als, history, count) for history in asked]
    assert together[::-1] == top_titles_many(als, asked[::-1], count)


def test_more_titles_wanted_than_there_are() -> None:
    als = model(np.eye(3, 2))
    assert [title for title, _ in top_titles(als, [Seen(0, 0, "t1", MILLION)], 10)] == ["t0", "t2"]
    assert top_titles(als, [Seen(0, 0, f"t{row}", MILLION) for row in range(3)], 10) == []
