"""Profile -> vector, by feature names: one function for training, the night, the speed layer and the backtest.

A feature's name says what it is:

| name | value |
|---|---|
| `number:NAME` | the account attribute as a number; 0 where missing or not one |
| `log:NAME` | log(1 + number) |
| `is:NAME=VALUE` | 1 where the account attribute has that value |
| `count:TYPE` | log(1 + events of the type) |
| `recent:DAYS:TYPE` | the same over the last DAYS days |
| `mean:rating`, `mean:watched` | mean of what was rated, of the fraction watched |
| `genre:NAME` | the genre's share of all genre weight |
| `titles` | log(1 + titles seen) |
| `product:A|B` | feature A times feature B; A has no `|` in its name |

In configuration `is:NAME=*` and `genre:*`, alone or as B, stand for every value that the training data has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lambda_arch.tiles import EVENT_TYPES, MILLION, RECENT_DAYS, Profile, Tile, rolling

Feature = Callable[[Profile, int], float]
Vectorizer = Callable[[Profile, int], NDArray[np.float64]]


def vectorizer(names: Sequence[str]) -> Vectorizer:
    """The function from a profile and `now` (microseconds) to the named features, float64 [len(names)].

    Raises ValueError naming a feature that does not exist.
    """
    features = [_feature(name) for name in names]
    return lambda profile, now: np.array([feature(profile, now) for feature in features], dtype=np.float64)


def pattern_part(name: str) -> str | None:
    """What of a configured name stands for several: `is:NAME=*` or `genre:*`; None where it names one feature."""
    last = name.partition("|")[2] if name.startswith("product:") else name
    return last if last == "genre:*" or (last.startswith("is:") and last.endswith("=*")) else None


def _feature(name: str) -> Feature:
    kind, _, argument = name.partition(":")
    if kind not in _KINDS:
        raise ValueError(f"unknown feature {name!r}: want one of {', '.join(_KINDS)}")
    if not argument and kind != "titles":
        raise ValueError(f"feature {name!r} names nothing: want {kind}:SOMETHING")
    return _KINDS[kind](argument)


def _number(name: str) -> Feature:
    return lambda profile, now: _as_number(_attributes(profile.lifetime).get(name))


def _log(name: str) -> Feature:
    return lambda profile, now: math.log1p(max(0.0, _as_number(_attributes(profile.lifetime).get(name))))


def _is(argument: str) -> Feature:
    name, equals, wanted = argument.partition("=")
    if not equals:
        raise ValueError(f"feature 'is:{argument}': want is:NAME=VALUE")
    return lambda profile, now: float(_attributes(profile.lifetime).get(name) == wanted)


def _count(event_type: str) -> Feature:
    _check_type(event_type)
    return lambda profile, now: math.log1p(profile.lifetime.counts.get(event_type, 0))


def _recent(argument: str) -> Feature:
    days, _, event_type = argument.partition(":")
    if not (days.isdigit() and 0 < int(days) <= RECENT_DAYS):
        raise ValueError(f"feature 'recent:{argument}': want recent:DAYS:TYPE with 1 to {RECENT_DAYS} days")
    _check_type(event_type)
    return lambda profile, now: math.log1p(rolling(profile, int(days), now).counts.get(event_type, 0))


def _mean(argument: str) -> Feature:
    if argument == "rating":
        return lambda profile, now: _ratio(profile.lifetime.rated, profile.lifetime.counts.get("rating", 0))
    if argument == "watched":
        return lambda profile, now: _ratio(profile.lifetime.watched, profile.lifetime.counts.get("view", 0))
    raise ValueError(f"unknown feature 'mean:{argument}': want mean:rating or mean:watched")


def _genre(name: str) -> Feature:
    def share(profile: Profile, now: int) -> float:
        weight = profile.lifetime.genres.get(name, 0)
        return weight / sum(profile.lifetime.genres.values()) if weight else 0.0

    return share


def _titles(argument: str) -> Feature:
    return lambda profile, now: math.log1p(len(profile.lifetime.history))


def _product(argument: str) -> Feature:
    first, _, second = argument.partition("|")
    left, right = _feature(first), _feature(second)
    return lambda profile, now: left(profile, now) * right(profile, now)


_KINDS: dict[str, Callable[[str], Feature]] = {
    "number": _number, "log": _log, "is": _is, "count": _count, "recent": _recent, "mean": _mean, "genre": _genre,
    "titles": _titles, "product": _product,
}  # fmt: skip


def _check_type(event_type: str) -> None:
    if event_type not in EVENT_TYPES:
        raise ValueError(f"unknown event type {event_type!r} in a feature: want one of {', '.join(EVENT_TYPES)}")


def _attributes(tile: Tile) -> dict[str, str]:
    return tile.account.attributes if tile.account else {}


def _as_number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _ratio(millionths: int, count: int) -> float:
    return millionths / MILLION / count if count else 0.0
