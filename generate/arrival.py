"""How a log arrives: some records twice, some out of order, some days late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.plan import DAY, HOUR, SECOND, Bools, Ints, Plan
from generate.rows import Events, together

# An out-of-order record is overtaken by so many others, or waits ten minutes if that is longer.
OVERTAKEN = 50
WAIT = 600 * SECOND
LONGEST_WAIT = 12 * HOUR
LATEST_DAYS = 3


@dataclass(frozen=True)
class Arrived:
    """Events with their arrival, and how many are repeated, out of order and late."""

    events: Events
    duplicates: int = 0
    disordered: int = 0
    late: int = 0


def arrived(plan: Plan, part: int, events: Events, duplicates: int) -> Arrived:
    """The events and so many of them once more, each with its arrival; not yet in that order."""
    rng = plan.rng("arrival", part)
    chance = rng.random(len(events))
    late = chance < plan.late
    disordered = ~late & (chance < plan.late + plan.disorder)
    sent = events.arriving(events.time + _delays(plan, rng, late, disordered))
    again = sent.taken(np.sort(rng.choice(len(sent), size=duplicates, replace=False)))
    repeated = again.arriving(again.arrival + rng.integers(1, HOUR, size=duplicates))
    return Arrived(together([sent, repeated]), duplicates, int(disordered.sum()), int(late.sum()))


def split(events: Events, until: int) -> tuple[Events, Events]:
    """Those that arrive before a moment, in the order of arrival, and the rest."""
    before = events.arrival < until
    here = events.taken(before)
    # The number settles ties; a record and its repetition are the same anyway.
    return here.taken(np.lexsort((here.number, here.arrival))), events.taken(~before)


def _delays(plan: Plan, rng: np.random.Generator, late: Bools, disordered: Bools) -> Ints:
    gap = plan.days * DAY // plan.events
    wait = min(max(WAIT, OVERTAKEN * gap), LONGEST_WAIT)
    short = rng.integers(SECOND, wait, size=len(late))
    long = rng.integers(DAY, LATEST_DAYS * DAY, size=len(late))
    return np.where(late, long, np.where(disordered, short, 0))
