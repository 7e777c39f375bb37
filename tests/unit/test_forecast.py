"""The forecast of a title's share of positive posts: one process however it is cut, and honest intervals."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, HOUR
from lambda_arch.forecast import USUAL, LogOdds, Movement, evidence, forecast
from lambda_arch.posts import Felt, PostProfile, merge_post_profiles, post_profile, unit_post_tile

NOW = 20_000 * DAY + 13 * HOUR
KNOWN = LogOdds(0.4, 0.01, 0.3, 0.001, 0.0002)
moves = st.builds(
    Movement, st.just(1.5), st.floats(0, 0.2), st.floats(0.001, 0.1), st.floats(0.005, 0.5)
)  # fmt: skip


def profile(*posts: tuple[float, bool]) -> PostProfile:
    """Of posts (days before NOW, whether positive)."""
    return merge_post_profiles(post_profile(unit_post_tile(NOW - int(ago * DAY), felt, 0.5)) for ago, felt in posts)


def numbers(known: LogOdds) -> tuple[float, ...]:
    return msgspec.structs.astuple(known)


@given(moves, st.floats(0, 30), st.floats(0, 30))
def test_two_steps_of_time_are_as_one(movement: Movement, first: float, second: float) -> None:
    stepwise = KNOWN.after(first, movement).after(second, movement)
    assert numbers(stepwise) == pytest.approx(numbers(KNOWN.after(first + second, movement)), abs=1e-9)


@given(moves, st.floats(0, 60))
def test_the_longer_ahead_the_less_is_known(movement: Movement, days: float) -> None:
    now, later = KNOWN.after(days, movement), KNOWN.after(days + 1, movement)
    assert later.level_var >= now.level_var
    assert abs(later.common_var) <= math.sqrt(later.level_var * later.drift_var)


@given(st.integers(0, 500), st.integers(0, 500))
def test_posts_are_evidence_for_their_share(positive: int, others: int) -> None:
    told = KNOWN.told(Felt(positive + others, positive))
    assert told.level_var <= KNOWN.level_var
    assert told.drift_var <= KNOWN.drift_var
    assert told.drift_var >= 0
    least = KNOWN.told(Felt(positive + others, 0)).level
    assert least <= told.level <= KNOWN.told(Felt(positive + others, positive + others)).level


@given(st.integers(0, 500), st.integers(0, 500))
def test_posts_tell_of_the_drift_what_the_level_they_tell_of_says_of_it(positive: int, others: int) -> None:
    told = KNOWN.told(Felt(positive + others, positive))
    slope = KNOWN.common_var / KNOWN.level_var
    assert told.common_var / told.level_var == pytest.approx(slope)
    assert told.drift - KNOWN.drift == pytest.approx(slope * (told.level - KNOWN.level))
    left = [known.drift_var - known.common_var**2 / known.level_var for known in (KNOWN, told)]
    assert left[0] == pytest.approx(left[1])


def test_many_posts_of_one_moment_are_their_share() -> None:
    told = KNOWN.told(Felt(10**6, 700_000)).expected()
    assert told.share == pytest.approx(0.7, abs=1e-4)
    assert told.low == pytest.approx(0.7 - 1.96 * math.sqrt(0.21 / 10**6), abs=1e-4)


def test_without_a_post_the_usual_share_is_expected_and_hardly_anything_excluded() -> None:
    [told] = forecast(PostProfile(), 0.6, [1.0])
    assert 0.55 < told.share < 0.6
    assert told.low < 0.1
    assert told.high > 0.95


@pytest.mark.parametrize("usual", [0.0, 1.0])
def test_a_service_without_a_positive_post_or_of_such_alone_has_a_forecast(usual: float) -> None:
    [told] = forecast(profile((0, True), (1, False)), usual, [1.0])
    assert 0 < told.low < told.share < told.high < 1


def test_what_rose_goes_on_for_a_while_and_then_no_more() -> None:
    posts = [(day, (n * 29) % 40 < 26 - day // 5) for day in range(30) for n in range(40)]
    [now, week, year, later] = forecast(profile(*posts), 0.5, [0.0, 7.0, 365.0, 730.0])
    assert week.share > now.share > sum(felt for _, felt in posts) / len(posts) + 0.02
    assert later.high - later.low > year.high - year.low > week.high - week.low


def test_evidence_has_every_post_once_in_order_of_time() -> None:
    ages = [0, 0.01, 0.3, 1.2, 2.9, 3.1, 7, 8, 59, 61, 200, 300]
    found = evidence(profile(*((age, True) for age in ages)))
    assert sum(felt.posts for _, felt in found) == len(ages)
    moments = [moment for moment, _ in found]
    assert moments == sorted(moments)
    assert moments[-1] == NOW / DAY
    assert moments[0] == pytest.approx(NOW / DAY - (300 + 60) / 2, abs=1)
    assert found[0][1].posts == 3


def test_the_interval_holds_what_is_planted_nineteen_times_in_twenty() -> None:
    chance = np.random.default_rng(3)
    held = []
    for _ in range(400):
        level, drift = chance.normal(0, USUAL.apart), chance.normal(0, USUAL.drift)
        posts = []
        for day in range(40):
            share = 1 / (1 + math.exp(-level))
            posts += [(40 - day + chance.uniform(), chance.random() < share) for _ in range(chance.poisson(3))]
            level, drift = level + drift + chance.normal(0, USUAL.chance), drift * (1 - USUAL.fading)
        [told] = forecast(profile(*posts), 0.5, [min(age for age, _ in posts)])
        held.append(told.low <= 1 / (1 + math.exp(-level)) <= told.high)
    assert 0.92 < np.mean(held) < 0.985
