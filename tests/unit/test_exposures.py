"""How often a user was shown what: what counts for a cap, what lapses, and that the order of counting is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, HOUR
from lambda_arch.exposures import MOST, Exposure, lapsed, shown, times_shown
from lambda_arch.tiles import MILLION, Seen
from serving.rules.book import Book
from serving.rules.filters import terms
from serving.rules.frequency import capped, exposure
from serving.rules.wish import Wish

TODAY = 20_000
NOW = TODAY * DAY + 12 * HOUR
CAPS = {"default": {"times": 2, "days": 3}, "long": {"times": 9, "days": 30}, "free": None}
BOOK = Book.model_validate({"placements": {name: {"frequency_cap": cap} for name, cap in CAPS.items()}})


def stored(counts: dict[tuple[int, str], int]) -> list[bytes]:
    """Counts by day and title as the store has them."""
    return [part.encode() for (day, title), times in counts.items() for part in (f"{day}:{title}", str(times))]


@pytest.mark.parametrize(
    ("counts", "seen", "wanted"),
    [
        pytest.param({}, {}, {}, id="nothing was shown"),
        pytest.param({(TODAY, "a"): 1, (TODAY - 2, "a"): 2}, {}, {"a": 3}, id="the days of the cap add up"),
        pytest.param({(TODAY - 3, "a"): 5, (TODAY, "b"): 1}, {}, {"b": 1}, id="an earlier day does not count"),
        pytest.param({(TODAY, "x:y"): 1, (TODAY, ""): 2}, {}, {"x:y": 1, "": 2}, id="any text is a title"),
        pytest.param({(TODAY - 1, "a"): 5, (TODAY, "a"): 1}, {"a": NOW - DAY}, {"a": 1}, id="seen: counted from then"),
        pytest.param({(TODAY, "a"): 5}, {"a": NOW - HOUR}, {}, id="what was shown on the day it was seen is forgiven"),
        pytest.param({(TODAY + 1, "a"): 1}, {}, {"a": 1}, id="a clock that went back takes nothing away"),
    ],
)
def test_what_counts(counts: dict[tuple[int, str], int], seen: dict[str, int], wanted: dict[str, int]) -> None:
    assert times_shown(shown(stored(counts)), NOW, 3, seen) == wanted


def test_what_is_too_old_or_too_much_lapses_the_oldest_first() -> None:
    old, new = {(TODAY - 3, "a"): 1}, {(TODAY - 2, "b"): 1, (TODAY, "c"): 1}
    assert lapsed(shown(stored({**new, **old})), NOW, 3) == [f"{TODAY - 3}:a".encode()]
    many = {(TODAY, f"t{number:05}"): 1 for number in range(MOST - 1)}
    assert lapsed(shown(stored({**many, **new})), NOW, 3) == [f"{TODAY - 2}:b".encode()]


def test_a_title_is_left_out_once_it_was_shown_as_often_as_the_cap_says() -> None:
    asked = terms(Wish(), BOOK)
    found = shown(stored({(TODAY, "a"): 1, (TODAY - 1, "a"): 1, (TODAY, "b"): 1, (TODAY - 2, "c"): 7}))
    assert capped(asked, found, [], NOW).worn == {"a", "c"}
    watched = [Seen(NOW - 9 * DAY, 1, "c", MILLION), Seen(NOW - DAY, 2, "c", MILLION)]
    assert capped(asked, found, watched, NOW).worn == {"a"}
    free = terms(Wish(placement="free"), BOOK)
    assert capped(free, found, [], NOW) is free


VALUE: dict[str, Any] = {"items": [{"title_id": "a"}, {"title_id": "b"}], "new": [{"title_id": "c"}]}


@pytest.mark.parametrize(
    ("wish", "counts"),
    [
        pytest.param(Wish(), True, id="under a cap"),
        pytest.param(Wish(explain=True), False, id="not where somebody asks for reasons"),
        pytest.param(Wish(placement="free"), False, id="not where there is no cap"),
    ],
)
def test_what_is_counted_of_an_answer(wish: Wish, counts: bool) -> None:
    found = shown(stored({(TODAY - 30, "a"): 1, (TODAY - 29, "a"): 1}))
    told = exposure(terms(wish, BOOK), BOOK, "u", VALUE, found, NOW)
    wanted = Exposure("u", ["a", "b", "c"], NOW, 30, [f"{TODAY - 30}:a".encode()])  # kept for the longest cap
    assert told == (wanted if counts else None)


@given(st.lists(st.tuples(st.integers(TODAY - 4, TODAY), st.sampled_from("abc"), st.integers(1, 3)), max_size=20))
def test_counts_do_not_depend_on_the_order_of_fields(counted: list[tuple[int, str, int]]) -> None:
    by_field: dict[tuple[int, str], int] = {}
    for day, title, times in counted:
        by_field[day, title] = by_field.get((day, title), 0) + times
    backwards = dict(reversed(by_field.items()))
    ahead, behind = shown(stored(by_field)), shown(stored(backwards))
    assert ahead == behind
    counts = times_shown(ahead, NOW, 3, {})
    assert counts.total() == sum(times for day, _, times in counted if day > TODAY - 3)
