"""When people watch: by hour of the day, by day of the week, and by how many are left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.lives import Lives
from generate.plan import DAY, HOUR, Floats, Ints, Plan
from generate.users import Users

BY_HOUR = np.array(
    [5, 3, 2, 1, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 6, 6, 7, 9, 12, 16, 18, 17, 13, 8],
    dtype=np.float64,
)
# From Monday.
BY_WEEKDAY = np.array([0.85, 0.85, 0.9, 0.95, 1.15, 1.3, 1.2])
# 1970-01-01 was a Thursday.
FIRST_WEEKDAY = 3


@dataclass(frozen=True)
class Rhythm:
    """The share of all watching (0 to 1) that is done by each hour's end."""

    start: int
    done: Floats

    def moment(self, share: Floats) -> Ints:
        """When so much of the watching is done, in milliseconds."""
        hours = np.interp(share, self.done, np.arange(len(self.done)))
        return self.start + np.minimum((hours * HOUR).astype(np.int64), (len(self.done) - 1) * HOUR - 1)


def made_rhythm(plan: Plan, users: Users, lives: Lives) -> Rhythm:
    """The rhythm of a plan's days."""
    present = np.array([lives.present(users, day).sum() for day in range(plan.days)])
    hours = plan.start // HOUR + np.arange(plan.days * 24)
    weekday = (hours // 24 + FIRST_WEEKDAY) % 7
    weight = BY_HOUR[hours % 24] * BY_WEEKDAY[weekday] * np.repeat(present, 24)
    return Rhythm(plan.start, np.concatenate([[0.0], np.cumsum(weight) / weight.sum()]))


def day_of(plan: Plan, time: Ints) -> Ints:
    """The day of the span, from 0."""
    return np.asarray((time - plan.start) // DAY)


def progress(plan: Plan, time: Ints) -> Floats:
    """How much of the span has passed, 0 to 1."""
    return np.asarray((time - plan.start) / (plan.days * DAY))
