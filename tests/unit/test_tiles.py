"""The merge: exact for any events, order, grouping and cut on a tile edge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, day_of
from lambda_arch.tiles import (
    EVENT_TYPES,
    Event,
    Profile,
    Seen,
    Tile,
    merge_profiles,
    merge_tiles,
    newest,
    profile_of,
    rolling,
    unit_tile,
)  # fmt: skip

LIMIT = 4
GENRES = {"t0": ("Drama",), "t1": ("Comedy", "Drama"), "t2": ("Action", "Comedy", "Drama")}


def genres(title_id: str) -> tuple[str, ...]:
    return GENRES.get(title_id, ())


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Events of one user over forty days, few titles, so that limits, ties and repeats happen."""
    made = []
    for number in range(draw(st.integers(0, 30))):
        event_type = draw(st.sampled_from(EVENT_TYPES))
        strong = event_type in ("view", "rating", "list_add")
        made.append(
            Event(
                topic="events", partition=0, offset=number, event_id=str(number),
                id_hash=draw(st.integers(-5, 5)) * 1000 + number, event_type=event_type, user_id="u",
                event_time=draw(st.integers(0, 40)) * DAY + draw(st.integers(0, 3)),
                title_id=f"t{draw(st.integers(0, 7))}" if strong else None,
                strength=draw(st.integers(0, 1_000_000)) if strong else None,
                attributes={"plan": draw(st.sampled_from("ab"))} if event_type == "account" else None,
            )
        )  # fmt: skip
    return draw(st.permutations(made))


def profile(some: list[Event]) -> Profile:
    days: dict[int, list[Tile]] = {}
    for event in some:
        days.setdefault(day_of(event.event_time), []).append(unit_tile(event, genres))
    return profile_of({day: merge_tiles(tiles, LIMIT) for day, tiles in days.items()}, LIMIT)


@given(events(), st.integers(0, 41))
def test_profile_of_all_is_the_merge_of_before_and_after_any_horizon(some: list[Event], horizon: int) -> None:
    before = [event for event in some if event.event_time < horizon * DAY]
    after = [event for event in some if event.event_time >= horizon * DAY]
    assert merge_profiles(profile(before), profile(after), LIMIT) == profile(some)


@given(events())
def test_merge_is_associative_and_commutative(some: list[Event]) -> None:
    p, q, r = (profile([event for event in some if event.offset % 3 == part]) for part in range(3))
    left = merge_profiles(merge_profiles(p, q, LIMIT), r, LIMIT)
    right = merge_profiles(p, merge_profiles(r, q, LIMIT), LIMIT)
    assert left == right


@given(events())
def test_the_empty_profile_is_neutral(some: list[Event]) -> None:
    assert merge_profiles(profile(some), Profile(), LIMIT) == profile(some)
    assert merge_profiles(Profile(), profile(some), LIMIT) == profile(some)


def test_history_keeps_each_titles_newest_entry_newest_title_first() -> None:
    histories = [(Seen(3, 1, "b", 10), Seen(1, 1, "a", 10)), (Seen(2, 9, "a", 5), Seen(2, 7, "c", 1))]
    assert newest(histories, 2) == newest(histories[::-1], 2) == (Seen(3, 1, "b", 10), Seen(2, 9, "a", 5))


def test_what_came_since_lies_on_top_of_the_history_known_before() -> None:
    known = (Seen(3, 1, "b", 10), Seen(2, 9, "a", 5), Seen(2, 7, "c", 1))
    since = (Seen(5, 1, "a", 1), Seen(3, 2, "d", 1))
    assert newest([known, since], 9) == newest([since, known], 9) == (*since, known[0], known[2])
    assert newest([known, since], 3) == newest([since, known], 3) == (*since, known[0])


def test_rolling_windows_end_with_the_day_of_now() -> None:
    days = {day: Tile(counts={"view": 1}, first=day * DAY, last=day * DAY) for day in (1, 5, 7, 8)}
    known = profile_of(days, LIMIT)
    assert rolling(known, 1, 7 * DAY + 5).counts == {"view": 1}
    assert rolling(known, 3, 7 * DAY).counts == {"view": 2}
    assert rolling(known, 30, 8 * DAY).counts == {"view": 4}
