"""How much a title is talked about, against what is usual for itself."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_arch.clock import DAY, HOUR
from lambda_arch.posts import PostProfile, merge_post_profiles, post_profile, profile_of_days, unit_post_tile
from lambda_arch.trending import pace

NOW = 20_000 * DAY + 13 * HOUR


def profile(*ages: int) -> PostProfile:
    """Of posts so long before NOW."""
    return merge_post_profiles(post_profile(unit_post_tile(NOW - age, True, 0.5)) for age in ages)


def evenly(count: int, begin: int, end: int) -> list[int]:
    """Ages of so many posts between two ages."""
    return [begin + (end - begin) * number // count for number in range(count)]


@pytest.mark.parametrize(
    ("ages", "direction"),
    [
        pytest.param(evenly(280, 0, 28 * DAY), "steady", id="ten a day, as always"),
        pytest.param([*evenly(40, 0, DAY), *evenly(270, DAY, 28 * DAY)], "rising", id="four times as many as usual"),
        pytest.param([0, *evenly(540, DAY, 28 * DAY)], "falling", id="one after twenty a day"),
        pytest.param([*evenly(4, 0, DAY), *evenly(3, DAY, 28 * DAY)], "steady", id="too few posts to speak of"),
        pytest.param(
            [*evenly(140, 0, DAY), *evenly(2700, DAY, 28 * DAY)], "steady", id="surely more, yet as weekends have"
        ),
        pytest.param(
            [*evenly(10, 0, DAY), *evenly(270, DAY, 28 * DAY), *evenly(9000, 30 * DAY, 59 * DAY)], "steady",
            id="what is long ago is not usual",
        ),
    ],
)  # fmt: skip
def test_directions(ages: list[int], direction: str) -> None:
    found = pace(profile(*ages))
    assert found is not None
    assert found.direction == direction


def test_usual_is_the_mean_of_the_days_before() -> None:
    found = pace(profile(*evenly(24, 0, DAY), *evenly(480, DAY, 11 * DAY)))
    assert found is not None
    assert found.posts == 24
    assert found.usual == pytest.approx(48, rel=0.05)


def test_the_post_that_a_title_begins_with_is_not_usual_of_it() -> None:
    begun, known = pace(profile(0, 10 * DAY)), pace(profile(0, 10 * DAY, 40 * DAY))
    assert begun is not None
    assert known is not None
    assert (begun.usual, known.usual > 0) == (0, True)


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(PostProfile(), id="no post"),
        pytest.param(profile(0, HOUR, DAY + 20 * HOUR), id="less than a day before the window"),
        pytest.param(profile_of_days({5: unit_post_tile(5 * DAY, True, 0.5)}), id="hours of no post are known"),
    ],
)
def test_without_a_day_before_nothing_is_usual(unknown: PostProfile) -> None:
    assert pace(unknown) is None


def test_the_score_of_a_title_whose_pace_is_its_usual_one_is_mere_chance() -> None:
    chance = np.random.default_rng(5)
    scores = []
    for _ in range(400):
        times = chance.uniform(0, 20 * DAY, size=chance.poisson(20 * chance.choice([2, 10]))).astype(int)
        found = pace(profile(*times.tolist()))
        assert found is not None
        scores.append(found.score)
    assert abs(np.mean(scores)) < 0.2
    assert 0.8 < np.std(scores) < 1.2
