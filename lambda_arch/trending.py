"""How much a title is talked about: posts of its last day against what is usual for itself."""

from __future__ import annotations

import math

import msgspec

from lambda_arch.clock import DAY, HOUR
from lambda_arch.posts import PostProfile, newest, together

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
