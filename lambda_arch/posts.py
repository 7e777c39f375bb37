"""Posts about titles: the gated record and its mergeable tiles."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lambda_arch.tiles import MILLION, IdHash, Moment, Offset

UNASSIGNED = "unassigned"
POSITIVE = "positive"
# What a post can feel, in the order in which models have their classes.
FEELINGS = ("negative", "neutral", POSITIVE)


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
