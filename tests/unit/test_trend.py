"""How a title's share of positive posts moves: windows that end with its newest post, and a trend with its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, HOUR, MINUTE
from lambda_arch.posts import Felt, PostProfile, merge_post_profiles, post_profile, unit_post_tile
from lambda_arch.trend import SERIES_DAYS, series, trend, windows

NOW = 20_000 * DAY + 13 * HOUR


def profile(*posts: tuple[int, bool]) -> PostProfile:
    """Of posts (how long before NOW, whether positive)."""
    return merge_post_profiles(post_profile(unit_post_tile(NOW - ago, felt, 0.5)) for ago, felt in posts)


def by_day(days: dict[int, tuple[int, int]]) -> PostProfile:
    return PostProfile(days={day: Felt(*felt) for day, felt in days.items()})


def test_windows_end_with_the_newest_post_s_minute_hour_and_day() -> None:
    ages = [0, 59 * MINUTE, 60 * MINUTE, 23 * HOUR, 24 * HOUR, 6 * DAY, 7 * DAY, 27 * DAY, 28 * DAY]
    found = windows(profile(*((age, number % 2 == 0) for number, age in enumerate(ages))))
    assert found == {"hour": Felt(2, 1), "day": Felt(4, 2), "week": Felt(6, 3), "month": Felt(8, 4)}


def test_the_series_has_every_day_newest_first() -> None:
    found = series(profile((0, True), (HOUR, False), (2 * DAY, True), (14 * DAY, True)))
    assert found == [Felt(2, 1), Felt(0, 0), Felt(1, 1), *[Felt(0, 0)] * (SERIES_DAYS - 3)]


@pytest.mark.parametrize(
    ("days", "direction"),
    [
        pytest.param({day: (20, 4 + day) for day in range(14)}, "rising", id="more and more are positive"),
        pytest.param({day: (20, 18 - day) for day in range(14)}, "falling", id="fewer and fewer are"),
        pytest.param({day: (20, 10 + day % 2) for day in range(14)}, "steady", id="the same share all the time"),
        pytest.param({0: (1, 0), 1: (1, 1)}, "steady", id="two posts tell nothing"),
        pytest.param({0: (1, 1), 9: (1, 1)}, "steady", id="two posts of one kind tell nothing either"),
        pytest.param(
            {0: (50, 50), 1: (50, 0), 2: (50, 50), 3: (50, 45), 4: (50, 20), 5: (50, 50)}, "steady",
            id="days that differ more than chance allows tell less",
        ),
    ],
)  # fmt: skip
def test_directions(days: dict[int, tuple[int, int]], direction: str) -> None:
    found = trend(by_day({100 + day: felt for day, felt in days.items()}))
    assert found is not None
    assert found.direction == direction
    assert -1 <= found.low < found.high <= 1
    assert found.low <= found.slope <= found.high


def test_a_straight_line_has_its_slope() -> None:
    found = trend(by_day({day: (1000, 300 + 10 * day) for day in range(20)}))
    assert found is not None
    assert found.slope == pytest.approx(0.07)


@pytest.mark.parametrize("days", [{}, {7: (9, 3)}], ids=["no post", "posts of one day"])
def test_one_day_has_no_trend(days: dict[int, tuple[int, int]]) -> None:
    assert trend(by_day(days)) is None


@given(st.dictionaries(st.integers(0, 90), st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=40))
def test_turned_round_in_time_or_in_feeling_the_trend_turns_too(days: dict[int, tuple[int, int]]) -> None:
    known = {60 + day % 28: (posts, min(posts, good)) for day, (posts, good) in days.items()}
    found, later = trend(by_day(known)), trend(by_day({-day: felt for day, felt in known.items()}))
    other = trend(by_day({day: (posts, posts - good) for day, (posts, good) in known.items()}))
    if found is None:
        assert (later, other) == (None, None)
        return
    for turned in (later, other):
        assert turned is not None
        assert [turned.slope, turned.low, turned.high] == pytest.approx([-found.slope, -found.high, -found.low])


def test_the_interval_holds_the_planted_slope_nineteen_times_in_twenty() -> None:
    chance = np.random.default_rng(11)
    held = []
    for _ in range(1000):
        slope = chance.uniform(-0.01, 0.01)
        posts = chance.poisson(chance.choice([1, 4, 20]), size=28)
        good = chance.binomial(posts, 0.5 + slope * (np.arange(28) - 14))
        found = trend(by_day({n: (int(posts[n]), int(good[n])) for n in np.flatnonzero(posts).tolist()}))
        held.append(found is not None and found.low <= 7 * slope <= found.high)
    assert 0.93 < np.mean(held) < 0.985
