"""How much a title is talked about: posts of its last day against what is usual for itself, and which stand out."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from lambda_arch.clock import DAY, HOUR
from lambda_arch.keys import Generations
from lambda_arch.posts import UNASSIGNED, PostProfile, newest, together
from lambda_arch.records import Layer, Prediction, UnknownSchemaError, decode

WINDOW_HOURS, BASELINE_DAYS = 24, 28
# What is told of: so many posts, usual or now; what chance does to one title in 400; and more than weekdays differ by.
FEWEST, TELLING, FACTOR = 5, 3.0, 1.5


class Pace(msgspec.Struct, frozen=True):
    """Posts of the window, how many are usual in as long a time, and by how many standard errors they differ."""

    posts: int
    usual: float
    score: float

    @property
    def direction(self) -> str:
        """Rising or falling where the score says so, by FACTOR and with enough posts, else steady."""
        fewer, more = sorted((self.posts, self.usual))
        if more < max(FEWEST, FACTOR * fewer) or abs(self.score) < TELLING:
            return "steady"
        return "rising" if self.score > 0 else "falling"


def pace(profile: PostProfile) -> Pace | None:
    """The pace in the WINDOW_HOURS hours that end with the newest post's; None without a day before them.

    What is usual is the mean of up to BASELINE_DAYS days before. The score is that of two Poisson counts after taking
    roots (Huffman 1984, "An improved approximate two-sample Poisson test"). The posts that window and baseline are
    measured from, the newest and the first, count in neither: they are there by definition.
    """
    if not profile.hours:
        return None
    first, last = profile.lifetime.first or 0, profile.lifetime.last or 0
    begin = (max(profile.hours) - WINDOW_HOURS + 1) * HOUR
    baseline = newest(profile.days, BASELINE_DAYS)
    since = max(first, (max(profile.days) - BASELINE_DAYS + 1) * DAY)
    if begin - since < DAY:
        return None
    posts = together(newest(profile.hours, WINDOW_HOURS).values()).posts
    before = together(baseline.values()).posts - posts - (since == first)
    ratio = (last - begin) / (begin - since)
    roots = math.sqrt(posts - 1 + 3 / 8) - math.sqrt(ratio * (before + 3 / 8))
    return Pace(posts, before * ratio, 2 * roots / math.sqrt(1 + ratio))


class Trending(msgspec.Struct, frozen=True, kw_only=True):
    """A title whose pace is out of the usual, as the record of a layer says; `as_of` is its newest post (RFC 3339)."""

    title_id: str
    direction: str
    posts: int
    usual: float
    score: float
    as_of: str
    layer: Layer
    generation: int


class Trends(msgspec.Struct, frozen=True):
    """Titles that rise and titles that fall, those first that differ most from their usual."""

    rising: list[Trending] = []
    falling: list[Trending] = []


def stands_out(record: Prediction) -> bool:
    """Whether a record says of a title that it rises or falls."""
    if record.use_case != "sentiment" or record.entity == f"t:{UNASSIGNED}":
        return False
    pace = record.value.get("pace")
    return pace is not None and pace["direction"] != "steady"


def trends(pairs: Iterable[tuple[bytes | None, bytes | None]], generations: Generations, count: int) -> Trends:
    """At most so many of each direction, of titles' stored (batch, speed) records of sentiment.

    Of the records made with a generation in service or kept the one that knows more posts counts; what cannot be read
    says nothing.
    """
    known = [record for pair in pairs if (record := _fullest(pair, generations)) and stands_out(record)]
    found = sorted(map(_trending, known), key=lambda title: (-abs(title.score), title.title_id))
    return Trends(*([title for title in found if title.direction == way][:count] for way in ("rising", "falling")))


def _trending(record: Prediction) -> Trending:
    return Trending(
        title_id=record.entity[2:], as_of=record.as_of, layer=record.layer, generation=record.generation,
        **record.value["pace"],
    )  # fmt: skip


def _fullest(pair: Iterable[bytes | None], generations: Generations) -> Prediction | None:
    records = [record for stored in pair if (record := _readable(stored))]
    valid = [record for record in records if generations.horizon(record.generation) is not None]
    return max(valid, key=lambda record: (record.evidence, record.as_of, record.generation), default=None)


def _readable(stored: bytes | None) -> Prediction | None:
    try:
        return decode(stored) if stored else None
    except (UnknownSchemaError, msgspec.MsgspecError):
        return None
