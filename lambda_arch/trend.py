"""How a title's share of positive posts has moved: windows that end with its newest post, and a trend over days."""

from __future__ import annotations

import math

import msgspec

from lambda_arch.posts import Felt, PostProfile, newest, together
from lambda_arch.scoring import Z95

WEEK, MONTH, SERIES_DAYS = 7, 28, 14


class Trend(msgspec.Struct, frozen=True):
    """By how much the share of positive posts moves in a week, with its 95 % interval."""

    slope: float
    low: float
    high: float

    @property
    def direction(self) -> str:
        """Rising or falling where the whole interval says so, else steady."""
        return "rising" if self.low > 0 else "falling" if self.high < 0 else "steady"


def windows(profile: PostProfile) -> dict[str, Felt]:
    """Posts of the hour, day, week and 28 days that end with the newest post's minute, hour and day."""
    return {
        "hour": together(newest(profile.minutes, 60).values()),
        "day": together(newest(profile.hours, 24).values()),
        "week": together(newest(profile.days, WEEK).values()),
        "month": together(newest(profile.days, MONTH).values()),
    }


def series(profile: PostProfile) -> list[Felt]:
    """Posts of each of the SERIES_DAYS days that end with the newest post's, newest first."""
    last = max(profile.days, default=0)
    return [profile.days.get(day, Felt()) for day in range(last, last - SERIES_DAYS, -1)]


def trend(profile: PostProfile) -> Trend | None:
    """The trend over the kept days; None where all posts are of one day.

    The weighted slope of the test of Cochran (1954) and Armitage (1955). Its error grows with how much more the days
    differ than chance allows (quasi-binomial), and takes no few posts of one kind for certain (one more of each kind).
    """
    days = profile.days
    if len(days) < 2:
        return None
    total = together(days.values())
    centre = sum(day * felt.posts for day, felt in days.items()) / total.posts
    spread = sum(felt.posts * (day - centre) ** 2 for day, felt in days.items())
    slope = sum(felt.positive * (day - centre) for day, felt in days.items()) / spread
    share = (total.positive + 1) / (total.posts + 2)
    fitted = {day: total.positive / total.posts + slope * (day - centre) for day in days}
    misfit = sum((felt.positive - felt.posts * fitted[day]) ** 2 / felt.posts for day, felt in days.items())
    noise = max(share * (1 - share), misfit / max(1, len(days) - 2))
    half = Z95 * math.sqrt(noise / spread)
    # No share moves by more than 1.
    return Trend(*(max(-1.0, min(1.0, WEEK * bound)) for bound in (slope, slope - half, slope + half)))
