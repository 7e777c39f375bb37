"""The order of titles that may be shown."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from serving.rules.arrangement import pinned, spread

rows = st.lists(st.integers(0, 40), unique=True, max_size=30)


def labels(row: int) -> list[tuple[str, str]]:
    return [("genre", str(row % 3)), ("genre", str(row % 5)), ("brand", str(row % 7))]


@given(rows, st.integers(1, 3), st.integers(2, 6), st.integers(0, 30))
def test_nothing_is_dropped_and_a_repeat_is_there_only_where_nothing_else_was_left(
    given_rows: list[int], most: int, within: int, count: int
) -> None:
    placed = spread(given_rows, labels, {"genre": most}, within, count)
    assert sorted(placed) == sorted(given_rows)
    for place in range(min(count, len(placed))):
        near = Counter(label for row in placed[max(0, place - within + 1) : place] for label in labels(row))
        full = {label for label, times in near.items() if label[0] == "genre" and times >= most}
        fitting = [row for row in given_rows if row not in placed[:place] and full.isdisjoint(labels(row))]
        left = [row for row in given_rows if row not in placed[:place]]
        assert placed[place] == (fitting or left)[0]


@given(rows)
def test_without_a_limit_the_order_stays(given_rows: list[int]) -> None:
    assert spread(given_rows, labels, {}, 10, 30) == given_rows


@given(rows, st.dictionaries(st.integers(0, 9), st.integers(30, 60), max_size=5))
def test_pins_are_at_their_places_and_the_rest_keeps_its_order(given_rows: list[int], pins: dict[int, int]) -> None:
    pins = {place: row for place, row in pins.items() if list(pins.values()).count(row) == 1}
    arranged = pinned(given_rows, pins)
    assert sorted(arranged) == sorted({*given_rows, *pins.values()})
    assert [row for row in arranged if row not in pins.values()] == [
        row for row in given_rows if row not in pins.values()
    ]
    if len(arranged) > max(pins, default=-1):
        assert all(arranged[place] == row for place, row in pins.items())
