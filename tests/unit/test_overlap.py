"""Agreement of two answers: rank-biased overlap by hand and by its definition, and the differences of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.agreement import agreement_of, rank_biased_overlap
from lambda_arch.records import UseCase

lists = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)
# By hand with p = 0.9: for even lists ((1 - p) / p) * sum(A_d p^d) + A_k p^k, A_d the overlap at depth d.
BY_HAND = {
    "the same list": ("abc", "abc", 1.0),
    "nothing in common": ("abc", "xyz", 0.0),
    "the first two swapped": ("ab", "ba", 0.1 / 0.9 * (0 * 0.9 + 1 * 0.81) + 1 * 0.81),
    "the last of three differs": ("abc", "abd", 0.1 / 0.9 * (0.9 + 0.81 + 2 / 3 * 0.729) + 2 / 3 * 0.729),
    "the first of three differs": ("abc", "xbc", 0.1 / 0.9 * (0.5 * 0.81 + 2 / 3 * 0.729) + 2 / 3 * 0.729),
    "a list and its beginning": ("ab", "abc", 1.0),
    "nobody says anything": ("", "", 1.0),
    "one says nothing": ("", "abc", 0.0),
}


@pytest.mark.parametrize(("one", "other", "expected"), BY_HAND.values(), ids=BY_HAND.keys())
def test_rank_biased_overlap_by_hand(one: str, other: str, expected: float) -> None:
    assert rank_biased_overlap(one, other) == pytest.approx(expected)


@given(lists, lists, st.floats(0.1, 0.99))
def test_it_is_between_none_and_all_and_the_same_either_way(one: list[str], other: list[str], p: float) -> None:
    found = rank_biased_overlap(one, other, p)
    assert -1e-12 <= found <= 1 + 1e-12
    assert found == pytest.approx(rank_biased_overlap(other, one, p))
    assert rank_biased_overlap(one, one, p) == pytest.approx(1.0)


@given(st.lists(st.integers(), unique=True, min_size=3, max_size=9), st.data())
def test_a_change_further_up_counts_more(titles: list[int], data: st.DataObject) -> None:
    names = [str(title) for title in titles]
    higher, lower = sorted(data.draw(st.lists(st.integers(0, len(names) - 1), min_size=2, max_size=2, unique=True)))

    def without(place: int) -> float:
        return rank_biased_overlap(names, [*names[:place], "other", *names[place + 1 :]])

    assert without(higher) < without(lower)


ROWS: dict[str, tuple[UseCase, dict[str, object], dict[str, object], float]] = {
    "the same segment": ("segment", {"segment": 2}, {"segment": 2}, 1.0),
    "another segment": ("segment", {"segment": 2}, {"segment": 3}, 0.0),
    "probabilities apart": ("churn", {"probability": 0.2}, {"probability": 0.5}, 0.7),
    "sentiments apart": ("sentiment", {"positive": 1.0}, {"positive": 0.25}, 0.25),
    "lists": ("recommend", {"titles": ["a"]}, {"titles": ["a"]}, 1.0),
}


@pytest.mark.parametrize(("use_case", "one", "other", "expected"), ROWS.values(), ids=ROWS.keys())
def test_two_values_agree(use_case: UseCase, one: dict[str, object], other: dict[str, object], expected: float) -> None:
    assert agreement_of(use_case, one, other) == pytest.approx(expected)
