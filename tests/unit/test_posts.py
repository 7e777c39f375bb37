"""What is kept of a title's posts by time: mergeable in any order, grouping and cut, and bounded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, HOUR, MINUTE, day_of
from lambda_arch.posts import (
    DAYS,
    HOURS,
    MINUTES,
    SPANS,
    Felt,
    PostProfile,
    PostTile,
    decode_post_profile,
    merge_post_profiles,
    merge_post_tiles,
    post_profile,
    profile_of_days,
    unit_post_tile,
)

BEGIN = 20_000 * DAY
# Thick enough for tiles to be shared, wide enough for every span to lose some.
times = st.one_of(
    st.integers(0, 100 * DAY), st.integers(99 * DAY, 100 * DAY), st.integers(100 * DAY - 2 * HOUR, 100 * DAY)
).map(lambda passed: BEGIN + passed)
posts = st.lists(
    st.builds(unit_post_tile, times, st.booleans(), st.integers(0, 10**6).map(lambda score: score / 10**6)), max_size=30
)


def profile(tiles: Sequence[PostTile]) -> PostProfile:
    return merge_post_profiles(map(post_profile, tiles))


@given(posts, st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_and_grouping_gives_the_same(tiles: list[PostTile], chance: st.DataObject, groups: int) -> None:
    shuffled = sorted(tiles, key=lambda _: chance.random())  # type: ignore[attr-defined]
    parts = [profile(shuffled[group::groups]) for group in range(groups)]
    assert msgspec.msgpack.encode(merge_post_profiles(parts)) == msgspec.msgpack.encode(profile(tiles))


@given(posts, st.integers(0, 101))
def test_the_part_before_any_midnight_and_the_days_since_merge_to_all(tiles: list[PostTile], cut: int) -> None:
    horizon = BEGIN + cut * DAY
    night = profile([tile for tile in tiles if (tile.last or 0) < horizon])
    days: dict[int, list[PostTile]] = {}
    for tile in tiles:
        if (tile.last or 0) >= horizon:
            days.setdefault(day_of(tile.last or 0), []).append(tile)
    stored = decode_post_profile(msgspec.msgpack.encode(night))
    assert merge_post_profiles([stored, *map(profile, days.values())]) == profile(tiles)


@given(posts)
def test_each_span_counts_the_posts_of_its_newest_tiles(tiles: list[PostTile]) -> None:
    found = profile(tiles)
    assert found.lifetime == merge_post_tiles(tiles)
    for name, span in SPANS.items():
        last = (found.lifetime.last or 0) // span.width
        within = [tile for tile in tiles if (tile.last or 0) // span.width > last - span.kept]
        kept: dict[int, Felt] = getattr(found, name)
        assert sum(felt.posts for felt in kept.values()) == len(within)
        assert sum(felt.positive for felt in kept.values()) == sum(tile.positive for tile in within)
        assert all(last - span.kept < number <= last for number in kept)


def test_a_profile_of_posts_in_every_minute_of_a_hundred_days_stays_small() -> None:
    busy = profile([unit_post_tile(BEGIN + minute * MINUTE, True, 0.9) for minute in range(100 * 24 * 60)])
    assert (len(busy.days), len(busy.hours), len(busy.minutes)) == (DAYS.kept, HOURS.kept, MINUTES.kept)
    assert len(msgspec.msgpack.encode(busy)) < 2000


BY_DAY = {3: PostTile(2, 1, 9, 3 * DAY, 3 * DAY + 5), 4: PostTile(1, 1, 7, 4 * DAY, 4 * DAY)}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(None, PostProfile(), id="a title the night has not seen"),
        pytest.param(
            msgspec.msgpack.encode(BY_DAY),
            PostProfile(PostTile(3, 2, 16, 3 * DAY, 4 * DAY), {3: Felt(2, 1), 4: Felt(1, 1)}),
            id="tiles by day, as the release before this one stored them",
        ),
    ],
)  # fmt: skip
def test_stored_profiles(stored: bytes | None, expected: PostProfile) -> None:
    assert decode_post_profile(stored) == expected


@given(posts)
def test_days_alone_lack_nothing_but_hours_and_minutes(tiles: list[PostTile]) -> None:
    days: dict[int, list[PostTile]] = {}
    for tile in tiles:
        days.setdefault(day_of(tile.last or 0), []).append(tile)
    found = profile_of_days({day: merge_post_tiles(of_day) for day, of_day in days.items()})
    assert found == msgspec.structs.replace(profile(tiles), hours={}, minutes={})
