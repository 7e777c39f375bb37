"""What recommendations are measured against, and by what arithmetic: small inputs with figures worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from benchmarks.quality_recommend import error, gain_rows, interval
from benchmarks.rivals import Rival, chosen, ease, ease_grid, implicit_als, ndcg_of, watched
from benchmarks.viewers import cases_of, first_titles, histories, in_order, last_fifth
from lambda_arch.clock import SECOND
from lambda_arch.tiles import MILLION


def seen(**viewers: str) -> pd.DataFrame:
    """Each viewer's titles, one letter each, in order of time, all with full stars."""
    return seen_in_order(viewers)


def seen_in_order(viewers: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    rows = [(user, title, place) for user, titles in viewers.items() for place, title in enumerate(titles)]
    ratings = pd.DataFrame(rows, columns=["userId", "movieId", "timestamp"])
    return in_order(ratings.assign(rating=5.0))


def constant(**scores: float) -> Rival:
    """A recommender that gives titles these scores, whoever asks; the titles are all of the training part, in order."""
    return lambda known: np.tile([float(score) for score in scores.values()], (known.shape[0], 1))


def test_ratings_are_in_order_of_time_and_within_a_second_of_title() -> None:
    raw = pd.DataFrame({"userId": 1, "movieId": [9, 7, 5], "rating": [2.5, 5.0, 0.5], "timestamp": [20, 10, 10]})
    found = in_order(raw)
    assert found["title_id"].tolist() == ["5", "7", "9"]
    assert found["time"].tolist() == [10 * SECOND, 10 * SECOND, 20 * SECOND]
    assert found["strength"].tolist() == [MILLION // 10, MILLION, MILLION // 2]


def test_the_last_fifth_is_rounded_down_viewer_by_viewer() -> None:
    early, late = last_fifth(seen(u="abcdefghijk", v="abcd", w="edcba"))
    assert early.groupby("user_id")["title_id"].agg("".join).to_dict() == {"u": "abcdefghi", "v": "abcd", "w": "edcb"}
    assert late.groupby("user_id")["title_id"].agg("".join).to_dict() == {"u": "jk", "w": "a"}


def test_a_case_has_the_known_newest_first_and_the_later_in_order() -> None:
    [(user, case)] = cases_of(seen(u="abc", v="x"), seen(u="de", new="f")).items()
    assert (user, [entry.title for entry in case.history], case.later) == ("u", ["c", "b", "a"], ["d", "e"])


def test_the_first_titles_of_a_viewer_are_known_and_the_rest_comes_later() -> None:
    case = first_titles(histories(seen(u="abcde"))["u"], 2)
    assert ([entry.title for entry in case.history], case.later) == (["b", "a"], ["c", "d", "e"])


@pytest.mark.parametrize("reg", [0.5, 20.0])
def test_ease_is_its_closed_form(reg: float) -> None:
    stars = sp.random(6, 9, 0.5, "csr", random_state=1)
    ones = stars.sign().toarray()
    inverse = np.linalg.inv(ones.T @ ones + reg * np.eye(9))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert ease(reg)(stars) == pytest.approx(ones @ weights)


def test_what_was_seen_is_not_listed_and_the_next_best_moves_up() -> None:
    """Title a is the best for both, but u has seen it."""
    found = ndcg_of(constant(a=3, b=2, c=1), seen(u="a", v="bc"), seen(u="c", v="a"))
    assert found == pytest.approx([1 / math.log2(3), 1.0])


def test_a_viewer_who_saw_nothing_later_is_not_judged() -> None:
    assert len(ndcg_of(constant(a=1, b=0), seen(u="a", v="b"), seen(v="a"))) == 1


def test_settings_are_chosen_by_the_last_fifth_of_what_is_known() -> None:
    """Four titles of each train: u's fifth is e, v's is a, and nobody who trains has seen w's."""
    known = seen(u="abcde", v="bcdea", w="fghij")
    right, wrong = ({title: sign * (title in "ae") for title in "abcdefghi"} for sign in (1, -1))
    found = chosen({"wrong": constant(**wrong), "right": constant(**right)}, known)
    assert found.settings == "right"
    assert ndcg_of(found.rival, *last_fifth(known)) == pytest.approx([1.0, 1.0, 0.0])


def test_stars_are_those_that_were_given() -> None:
    raw = pd.DataFrame({"userId": [1, 1, 2], "movieId": [1, 2, 2], "rating": [0.5, 3.5, 5.0], "timestamp": 1})
    found = watched(in_order(raw))
    assert found.viewers.tolist() == ["1", "2"]
    assert found.titles.tolist() == ["1", "2"]
    assert found.stars.toarray() == pytest.approx(np.array([[0.5, 3.5], [0.0, 5.0]]))


# A regularisation of 30 takes factors of so few viewers to nought.
SETTINGS = [*(settings for settings in implicit_als() if "regularization 10" in settings), *ease_grid()]


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_candidate_puts_the_titles_of_a_viewer_s_own_kind_first(settings: str) -> None:
    """Two kinds of twenty titles; everyone has seen sixteen of theirs, and goes on to see the other four."""
    rng = np.random.default_rng(1)
    kinds = [[f"{kind}{number:02}" for number in range(20)] for kind in "ab"]
    viewers = {f"u{number:02}": rng.permutation(kinds[number % 2]).tolist() for number in range(40)}
    early, late = (
        seen_in_order({user: titles[part] for user, titles in viewers.items()}) for part in (slice(16), slice(16, None))
    )
    rival = (implicit_als() | ease_grid())[settings]
    assert ndcg_of(rival, early, late).mean() > 0.99


def test_the_error_and_the_interval_are_of_the_mean() -> None:
    values = np.tile([0.0, 1.0], 50)
    assert error(values) == pytest.approx(math.sqrt(0.25 / 99))
    low, high = interval(values)
    assert (low, high) == pytest.approx((0.5 - 1.96 * error(values), 0.5 + 1.96 * error(values)), abs=0.01)
    assert interval(np.full(9, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize(("gain", "met"), [(0.1, True), (0.0, False), (-0.1, False)])
def test_a_promised_gain_lies_above_nought_with_its_interval(gain: float, met: bool) -> None:
    values = {"ours": np.full(20, 0.3 + gain), "recently_popular": np.full(20, 0.3)}
    found = gain_rows("k known", values, promised=True)
    assert [row.name for row in found] == ["k known", "k known: gain", "k known: gain's lower end"]
    assert found[1].value == found[2].value == pytest.approx(gain)
    assert [row.met for row in found] == [None, None, met]
    assert [row.met for row in gain_rows("k known", values, promised=False)] == [None, None]
