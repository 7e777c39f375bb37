"""Where titles are headed, on generated services with planted drift: the forecast beside "same as now", and directions.

The posts feel what was planted, without a classifier's errors: the demo's reviews have no times of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from batch.measures.bootstrap import Clustered, clustered, interval
from benchmarks.ground import Ground
from benchmarks.planted import AHEAD, TITLES, Asked, Service, service
from benchmarks.rows import Row, above, at_least, at_most, reported
from lambda_arch.forecast import Expected, forecast
from lambda_arch.posts import PostProfile, newest, together
from lambda_arch.trend import WEEK, trend
from lambda_arch.trending import pace

# Services that nothing was chosen on.
SEEDS, CUTS, RESAMPLES = (21, 22, 23, 24), (45, 60, 75), 2_000
# Of the usual share, added to what is counted; the best number for "same as now" where the forecast was chosen.
PSEUDO_POSTS = 2
# How far titles move, beside what the generator plants.
AS_MADE, STILL, FAST = "as made", "nothing moves", "thrice as fast"
DRIFTS = {AS_MADE: 1.0, STILL: 0.0, FAST: 3.0}
COVERED, MISTAKEN = 0.93, 0.06
UNIT = "nats a post"


def rows(ground: Ground) -> list[Row]:
    """Evaluated by time: what is known before a day, judged by the week after it."""
    made = {drift: [service(seed, times) for seed in SEEDS] for drift, times in DRIFTS.items()}
    cases = {drift: _cases(services) for drift, services in made.items()}
    return [
        *_promised(cases[AS_MADE]),
        *(row for drift, asked in cases.items() for row in _forecast_rows(drift, asked)),
        *(_directions(drift, cases[drift]) for drift in (AS_MADE, FAST)),
        _mistaken(cases[STILL]),
        *_pace_rows(made[AS_MADE]),
    ]  # fmt: skip


def ours(asked: Asked) -> Expected:
    """The forecast of records, a week after the cut."""
    [told] = forecast(asked.profile, asked.usual, [asked.days_ahead])
    return told


def same_as_now(asked: Asked) -> Expected:
    """The share of all posts until now."""
    return _counted(asked.profile.lifetime.positive, asked.profile.lifetime.posts, asked.usual)


def last_week(asked: Asked) -> Expected:
    """The share of the last week's posts."""
    felt = together(newest(asked.profile.days, WEEK).values())
    return _counted(felt.positive, felt.posts, asked.usual)


ANSWERS: Mapping[str, Callable[[Asked], Expected]] = {
    "forecast": ours, "same as now": same_as_now, "same as last week": last_week,
}  # fmt: skip


def _counted(positive: int, posts: int, usual: float) -> Expected:
    share = (positive + PSEUDO_POSTS * usual) / (posts + PSEUDO_POSTS)
    return Expected(share, share, share)


def _cases(services: Sequence[Service]) -> list[Asked]:
    """Titles are numbered through all services: one title's cases at several cuts move together."""
    return [asked for number, told in enumerate(services) for cut in CUTS for asked in told.asked(cut, number * TITLES)]


def _promised(cases: Sequence[Asked]) -> list[Row]:
    said = [ours(asked) for asked in cases]
    _, low, _ = _saved(cases, [same_as_now(asked) for asked in cases], said)
    name = f"forecast: log-loss saved beside same as now, {AHEAD} days ahead: lower end"
    return [
        above(0, name, [low], UNIT, _many(cases)),
        at_least(
            COVERED, "forecast: hidden shares within the interval", [_covered(cases, said)], "share", _many(cases)
        ),
    ]


def _forecast_rows(where: str, cases: Sequence[Asked]) -> list[Row]:
    said = {name: [answer(asked) for asked in cases] for name, answer in ANSWERS.items()}
    holds = f"its interval holds {_covered(cases, said['forecast']):.3f} of the hidden shares"
    found = [reported(f"forecast, {where}: off the hidden share by", [_off(cases, said["forecast"])], "share", holds)]
    for name in ("same as now", "same as last week"):
        gain, low, high = _saved(cases, said[name], said["forecast"])
        beside = f"95 % interval {low:.4f} to {high:.4f}; off the hidden share by {_off(cases, said[name]):.4f}"
        found.append(reported(f"forecast, {where}: log-loss saved beside {name}", [gain], UNIT, beside))
    return found


def _directions(where: str, cases: Sequence[Asked]) -> Row:
    told = [(found.direction, asked.moved > 0) for asked in cases if (found := trend(asked.profile))]
    right = [(direction == "rising") == rises for direction, rises in told if direction != "steady"]
    beside = f"{len(right)} of {len(told)} are told one"
    return reported(f"trend, {where}: told directions that are the planted ones", [_share(right)], "share", beside)


def _mistaken(cases: Sequence[Asked]) -> Row:
    told = [found.direction != "steady" for asked in cases if (found := trend(asked.profile))]
    return at_most(MISTAKEN, f"trend, {STILL}: told of a direction", [_share(told)], "share", _many(told))


def _pace_rows(services: Sequence[Service]) -> list[Row]:
    viral = [rising for told in services for rising in _of_viral(told)]
    others = [rising for told in services for cut in CUTS for rising in _of_others(told, cut)]
    return [
        reported("pace: told of a title that goes viral, after a day", [_share(viral)], "share", _many(viral)),
        reported("pace: told of any other title", [_share(others)], "share", _many(others)),
    ]


def _of_viral(told: Service) -> list[bool]:
    """At the end of their first day, but for those that have none before."""
    return [_rising(told.profiles(day + 1).get(title)) for title, day in told.viral().items() if day > 1]


def _of_others(told: Service, cut: int) -> list[bool]:
    viral = told.viral()
    return [_rising(profile) for title, profile in told.profiles(cut).items() if title not in viral]


def _saved(cases: Sequence[Asked], plain: Sequence[Expected], said: Sequence[Expected]) -> tuple[float, float, float]:
    """By how much less every later post surprises, with the 95 % interval by bootstrap over titles."""
    gain = np.array(
        [_loss(asked, before) - _loss(asked, told) for asked, before, told in zip(cases, plain, said, strict=True)]
    )
    posts = np.array([float(asked.posts) for asked in cases])
    title = np.array([asked.title for asked in cases])
    everything = np.ones((len(cases), 1), dtype=np.bool_)
    sums, counts = (clustered(title, found[:, None], everything).sums for found in (gain, posts))
    low, high = interval(Clustered(sums, counts).resampled(RESAMPLES, 0))[:, 0].tolist()
    return float(gain.sum() / posts.sum()), low, high


def _loss(asked: Asked, told: Expected) -> float:
    return -asked.positive * math.log(told.share) - (asked.posts - asked.positive) * math.log(1 - told.share)


def _off(cases: Sequence[Asked], said: Sequence[Expected]) -> float:
    return float(np.mean([abs(told.share - asked.truth) for told, asked in zip(said, cases, strict=True)]))


def _covered(cases: Sequence[Asked], said: Sequence[Expected]) -> float:
    return _share([told.low <= asked.truth <= told.high for told, asked in zip(said, cases, strict=True)])


def _rising(profile: PostProfile | None) -> bool:
    found = pace(profile) if profile else None
    return found is not None and found.direction == "rising"


def _share(found: Sequence[bool]) -> float:
    return float(np.mean(found))


def _many(cases: Sequence[object]) -> str:
    return f"{len(cases)} cases"
