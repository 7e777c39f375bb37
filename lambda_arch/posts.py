"""Posts about titles: the gated record, its mergeable tiles, and what is kept of a title's posts by time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from lambda_arch.clock import DAY, HOUR, MINUTE
from lambda_arch.tiles import MILLION, IdHash, Moment, Offset

UNASSIGNED = "unassigned"
POSITIVE = "positive"
# What a post can feel, in the order in which models have their classes.
FEELINGS = ("negative", "neutral", POSITIVE)


class Span(NamedTuple):
    """How long one tile of it is, in microseconds, and how many are kept: the newest, up to that of the newest post."""

    width: int
    kept: int


DAYS, HOURS, MINUTES = Span(DAY, 60), Span(HOUR, 72), Span(MINUTE, 60)
# As PostProfile has them.
SPANS = {"days": DAYS, "hours": HOURS, "minutes": MINUTES}


class Post(msgspec.Struct, frozen=True, gc=False, tag="post", tag_field="kind"):
    """A valid post as the gate hands it on, with its coordinates; `title_id` is never null here."""

    topic: str
    partition: int
    offset: Offset
    post_id: str
    id_hash: IdHash
    title_id: str
    event_time: Moment
    text: str


class PostTile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a span of posts about one title felt: counts, and the summed score in millionths."""

    posts: int = 0
    positive: int = 0
    score: int = 0
    first: int | None = None
    last: int | None = None


def unit_post_tile(event_time: int, positive: bool, probability: float) -> PostTile:
    """The tile of one post: whether it is positive, and its probability of being so."""
    return PostTile(1, int(positive), round(probability * MILLION), event_time, event_time)


def merge_post_tiles(tiles: Iterable[PostTile]) -> PostTile:
    """The aggregate over all the tiles' posts, in any order."""
    parts = [tile for tile in tiles if tile.posts]
    return PostTile(
        posts=sum(tile.posts for tile in parts),
        positive=sum(tile.positive for tile in parts),
        score=sum(tile.score for tile in parts),
        first=min((tile.first for tile in parts if tile.first is not None), default=None),
        last=max((tile.last for tile in parts if tile.last is not None), default=None),
    )


class Felt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one minute, hour or day of posts about a title felt."""

    posts: int = 0
    positive: int = 0


def together(parts: Iterable[Felt]) -> Felt:
    """All the parts' posts."""
    known = list(parts)
    return Felt(sum(part.posts for part in known), sum(part.positive for part in known))


def newest(tiles: Mapping[int, Felt], count: int) -> dict[int, Felt]:
    """The tiles of the `count` spans that end with the newest, in the order given."""
    floor = max(tiles, default=0) - count
    return {number: felt for number, felt in tiles.items() if number > floor}


class PostProfile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All posts about a title together, and the newest apart by day, hour and minute (numbered since 1970 UTC)."""

    lifetime: PostTile = PostTile()
    days: dict[int, Felt] = {}
    hours: dict[int, Felt] = {}
    minutes: dict[int, Felt] = {}


def post_profile(tile: PostTile) -> PostProfile:
    """The profile of one post's tile."""
    felt, time = Felt(tile.posts, tile.positive), tile.last or 0
    return PostProfile(tile, *({time // span.width: felt} for span in SPANS.values()))


def profile_of_days(days: Mapping[int, PostTile]) -> PostProfile:
    """The profile of posts of which only the days are known, as stored by the release before this one."""
    felt = {day: Felt(tile.posts, tile.positive) for day, tile in days.items()}
    return PostProfile(merge_post_tiles(days.values()), _newest([felt], DAYS.kept))


def merge_post_profiles(profiles: Iterable[PostProfile]) -> PostProfile:
    """The profile of all the profiles' posts, in any order and grouping.

    Exact, though each keeps only its newest tiles: what is too old beside a part's newest post is so beside any newer.
    """
    parts = [profile for profile in profiles if profile.lifetime.posts]
    if len(parts) < 2:
        return parts[0] if parts else PostProfile()
    return PostProfile(
        merge_post_tiles(part.lifetime for part in parts),
        _newest((part.days for part in parts), DAYS.kept),
        _newest((part.hours for part in parts), HOURS.kept),
        _newest((part.minutes for part in parts), MINUTES.kept),
    )


_profile = msgspec.msgpack.Decoder(PostProfile | dict[int, PostTile])


def decode_post_profile(stored: bytes | None) -> PostProfile:
    """The profile that a night stored, empty where there is none; of the release before this one, tiles by day."""
    if stored is None:
        return PostProfile()
    profile = _profile.decode(stored)
    return profile if isinstance(profile, PostProfile) else profile_of_days(profile)


def _newest(parts: Iterable[Mapping[int, Felt]], kept: int) -> dict[int, Felt]:
    merged: dict[int, Felt] = {}
    for part in parts:
        for number, felt in part.items():
            known = merged.get(number)
            both = Felt(known.posts + felt.posts, known.positive + felt.positive) if known else felt
            merged[number] = both
    return newest({number: merged[number] for number in sorted(merged)}, kept)
