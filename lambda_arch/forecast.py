"""What share of positive posts to expect of a title, from its tiles: closed forms, a fraction of a millisecond.

A dynamic binomial model (West, Harrison, Migon 1985, "Dynamic generalized linear models and Bayesian forecasting").
The log-odds of a positive post move by chance, and by a drift that fades (an Ornstein-Uhlenbeck process); the posts of
each tile are evidence for them, by a beta distribution of the same mean and variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter

import msgspec

from lambda_arch.clock import DAY, HOUR
from lambda_arch.posts import DAYS, Felt, PostProfile, together
from lambda_arch.scoring import Z95, sigmoid


class Movement(msgspec.Struct, frozen=True):
    """How log-odds are: `apart` from title to title, moved by `chance` in a day, drifting by `drift` per day.

    All three are standard deviations; `fading` is how much of a drift is lost in a day.
    """

    apart: float
    chance: float
    drift: float
    fading: float


# The best on services made for choosing it: docs/decisions/0015-where-a-title-is-headed.md.
USUAL = Movement(apart=1.5, chance=0.02, drift=0.007, fading=0.01)
# Shares of none and all are no log-odds.
LEAST = 0.01


class Expected(msgspec.Struct, frozen=True):
    """The share of positive posts that is expected at some time, with the 95 % interval of that share."""

    share: float
    low: float
    high: float


class LogOdds(msgspec.Struct, frozen=True):
    """What is known of a title's log-odds of a positive post, and of their drift per day: means, (co)variances."""

    level: float
    drift: float
    level_var: float
    common_var: float
    drift_var: float

    def after(self, days: float, moves: Movement) -> LogOdds:
        """The same so many days later; two steps are as one of both."""
        kept = math.exp(-moves.fading * days)
        reach = (1 - kept) / moves.fading
        steep, spread = moves.drift**2, moves.drift**2 / moves.fading**2
        wandered = spread * (2 * moves.fading * days - 3 + 4 * kept - kept**2) + moves.chance**2 * days
        return LogOdds(
            level=self.level + reach * self.drift,
            drift=kept * self.drift,
            level_var=self.level_var + 2 * reach * self.common_var + reach**2 * self.drift_var + wandered,
            common_var=kept * (self.common_var + reach * self.drift_var) + steep / moves.fading * (1 - kept) ** 2,
            drift_var=kept**2 * self.drift_var + steep * (1 - kept**2),
        )

    def told(self, felt: Felt) -> LogOdds:
        """The same after some posts, all of this moment."""
        positive = (1 + math.exp(self.level)) / self.level_var + felt.positive
        others = (1 + math.exp(-self.level)) / self.level_var + felt.posts - felt.positive
        level, level_var = math.log(positive / others), 1 / positive + 1 / others
        per_level, learnt = self.common_var / self.level_var, 1 - level_var / self.level_var
        return LogOdds(
            level=level,
            drift=self.drift + per_level * (level - self.level),
            level_var=level_var,
            common_var=per_level * level_var,
            drift_var=self.drift_var - per_level * self.common_var * learnt,
        )

    def expected(self) -> Expected:
        """The share they stand for; its mean is nearer to one half than that of the mean log-odds (MacKay 1992)."""
        half = Z95 * math.sqrt(self.level_var)
        mean = self.level / math.sqrt(1 + math.pi * self.level_var / 8)
        return Expected(sigmoid(mean), sigmoid(self.level - half), sigmoid(self.level + half))


def forecast(profile: PostProfile, usual: float, ahead: Sequence[float], moves: Movement = USUAL) -> list[Expected]:
    """What to expect so many days after the newest post; `usual` is how much of all titles' posts is positive."""
    share = min(max(usual, LEAST), 1 - LEAST)
    known = LogOdds(math.log(share / (1 - share)), 0.0, moves.apart**2, 0.0, moves.drift**2)
    time: float | None = None
    for moment, felt in evidence(profile):
        known = (known if time is None else known.after(moment - time, moves)).told(felt)
        time = moment
    return [known.after(days, moves).expected() for days in ahead]


def evidence(profile: PostProfile) -> list[tuple[float, Felt]]:
    """A title's posts by when they were, in days, oldest first: kept hours, kept days without these, what lies before.

    Each counts as of one moment, the middle of its time.
    """
    last = (profile.lifetime.last or 0) / DAY
    rest = dict(profile.days)
    for hour, felt in profile.hours.items():
        rest[hour * HOUR // DAY] = _less(rest[hour * HOUR // DAY], felt)
    older = _less(Felt(profile.lifetime.posts, profile.lifetime.positive), together(profile.days.values()))
    begin, kept = (profile.lifetime.first or 0) / DAY, max(profile.days, default=0) - DAYS.kept + 1
    found = [((begin + kept) / 2, older)]
    found += [(day + 0.5, felt) for day, felt in rest.items()]
    found += [((hour + 0.5) * HOUR / DAY, felt) for hour, felt in profile.hours.items()]
    return sorted(((min(moment, last), felt) for moment, felt in found if felt.posts), key=itemgetter(0))


def _less(felt: Felt, part: Felt) -> Felt:
    return Felt(felt.posts - part.posts, felt.positive - part.positive)
