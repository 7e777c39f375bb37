"""What a sentiment record says of time: windows, days, trend, forecast and pace, all as of the title's newest post.

Never as of a clock: either layer, and a replay, must say the same of the same posts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lambda_arch.forecast import Expected, forecast
from lambda_arch.posts import Felt, PostProfile
from lambda_arch.trend import Trend, series, trend, windows
from lambda_arch.trending import Pace, pace

AHEAD: Mapping[str, float] = {"day": 1.0, "week": 7.0}
PLACES = 4


def outlook(profile: PostProfile, usual: float) -> dict[str, Any]:
    """The parts of a sentiment record's value; `usual` is how much of all titles' posts is positive.

    Counts are pairs (posts, positive).
    """
    expected = zip(AHEAD, forecast(profile, usual, list(AHEAD.values())), strict=True)
    return {
        "windows": {name: _pair(felt) for name, felt in windows(profile).items()},
        "days": [_pair(felt) for felt in series(profile)],
        "trend": _directed(trend(profile)),
        "forecast": {name: _rounded(share) for name, share in expected},
        "pace": _directed(pace(profile)),
    }


def _pair(felt: Felt) -> list[int]:
    return [felt.posts, felt.positive]


def _directed(found: Trend | Pace | None) -> dict[str, Any] | None:
    return None if found is None else {"direction": found.direction, **_rounded(found)}


def _rounded(found: Trend | Expected | Pace) -> dict[str, float]:
    return {name: round(value, PLACES) for name, value in msgspec.structs.asdict(found).items()}
