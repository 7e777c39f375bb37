"""Two arms compared at any time, as often as anybody looks: always-valid p-values and intervals.

The mixture sequential probability ratio test for a difference of means (Johari, Koomen, Pekelis, Walsh 2017, Peeking at
A/B tests): the chance that it is ever below alpha where there is no difference is alpha, however often it is looked at.
Means are taken for normal, which they are of `LEAST` users in each arm; before that there is no verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA = 0.05
LEAST = 100
EXPECTED = 0.05  # the size of a difference of shares that is looked for; another makes the test slower, not wrong


@dataclass(frozen=True)
class Tally:
    """Users of an arm, and how many of them did what is counted."""

    users: int
    outcomes: int

    @property
    def share(self) -> float:
        """Of the users; 0 for none."""
        return self.outcomes / self.users if self.users else 0.0


@dataclass(frozen=True)
class Comparison:
    """By how much an arm is above the first, the interval that holds at every look, the p-value of no effect."""

    difference: float
    low: float
    high: float
    p_value: float


def compared(first: Tally, other: Tally, alpha: float = ALPHA) -> Comparison:
    """The other arm against the first, as of now."""
    difference = other.share - first.share
    if min(first.users, other.users) < LEAST:
        return Comparison(difference, -1.0, 1.0, 1.0)
    variance, spread = _variance(first, other), EXPECTED**2
    both = variance + spread
    ratio = 0.5 * math.log(variance / both) + spread * difference**2 / (2 * variance * both)
    half = math.sqrt(variance * both / spread * (math.log(both / variance) + 2 * math.log(1 / alpha)))
    return Comparison(difference, max(-1.0, difference - half), min(1.0, difference + half), math.exp(-max(0.0, ratio)))


def _variance(first: Tally, other: Tally) -> float:
    """Of the difference; by the shares of one more user of either kind, so that none is ever taken for certain."""
    shares = [((arm.outcomes + 1) / (arm.users + 2), arm.users) for arm in (first, other)]
    return sum(share * (1 - share) / users for share, users in shares)
