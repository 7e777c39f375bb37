"""Sessions: one title after another is shown, perhaps searched for, listed, watched and rated.

Of a few titles drawn by popularity the one that suits the user's taste is shown; how much of it is watched, and how
it is rated, depends on the affinity (taste times vector) and on the title's quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from generate.plan import SECOND, Bools, Floats, Ints, Plan, draw, sigmoid
from generate.rhythm import day_of, progress
from generate.rows import Events, kind, together
from generate.world import World

CANDIDATES = 4
LONGEST = 8
MEAN_SLOTS = 4
# Events per slot are 1.7 on average.
SLOTS_PER_EVENT = 0.65
# In the order in which they happen to one title; seconds after the title came up.
STEPS = ("search", "impression", "list_add", "view", "rating")
SECONDS = np.array([0, 4, 15, 25, 1150])
SHORTEST_SLOT, LONGEST_SLOT = 1200, 4800
SEARCHED, LISTED, RATED = 0.15, 0.15, 0.2


@dataclass(frozen=True)
class _Slots:
    """Titles that came up in sessions, session by session, so by day."""

    user: Ints
    title: Ints
    time: Ints
    affinity: Floats
    quality: Floats


def session_events(plan: Plan, world: World, part: int, span: tuple[float, float], first: int, count: int) -> Events:
    """Exactly `count` events, numbered from `first`, of sessions that begin within a span of the rhythm."""
    rng, parts, missing = plan.rng("sessions", part), [], count
    while missing > 0:
        events = _events(plan, rng, _slots(plan, world, rng, span, int(missing * SLOTS_PER_EVENT) + 64))
        parts.append(events.taken(rng.permutation(len(events))[:missing]))
        missing -= len(parts[-1])
    events = together(parts)
    in_order = events.taken(np.argsort(events.time, kind="stable"))
    numbered = np.arange(first, first + count)
    place = world.users.place[in_order.user]
    return Events(**{**vars(in_order), "number": numbered, "place": place})


def _slots(plan: Plan, world: World, rng: np.random.Generator, span: tuple[float, float], count: int) -> _Slots:
    starts = world.rhythm.moment(np.sort(rng.uniform(*span, size=count // MEAN_SLOTS + 1)))
    user = np.empty(len(starts), dtype=np.int64)
    for day, rows in by_day(day_of(plan, starts)):
        user[rows] = draw(rng, world.lives.present(world.users, day), rows.stop - rows.start)
    lengths = np.minimum(rng.geometric(1 / MEAN_SLOTS, size=len(starts)), LONGEST)
    users, passed = np.repeat(user, lengths), progress(plan, np.repeat(starts, lengths))
    title, affinity = _chosen(plan, world, rng, users, np.repeat(day_of(plan, starts), lengths), passed)
    time = np.repeat(starts, lengths) + _since_start(rng, lengths)
    return _Slots(users, title, time, affinity, world.titles.quality_at(title, passed))


def _since_start(rng: np.random.Generator, lengths: Ints) -> Ints:
    """Milliseconds from a session's start to each of its slots."""
    stays = rng.integers(SHORTEST_SLOT * SECOND, LONGEST_SLOT * SECOND, size=int(lengths.sum()))
    before = np.cumsum(stays) - stays
    firsts = np.cumsum(lengths) - lengths
    return np.asarray(before - np.repeat(before[firsts], lengths))


def _chosen(
    plan: Plan, world: World, rng: np.random.Generator, users: Ints, days: Ints, passed: Floats
) -> tuple[Ints, Floats]:
    """The title that comes up in each slot, and the affinity: the best of candidates, with noise (Gumbel)."""
    offered = np.empty((len(users), CANDIDATES), dtype=np.int64)
    for day, rows in by_day(days):
        offered[rows] = draw(rng, world.titles.pull(day), (rows.stop - rows.start, CANDIDATES))
    moved = passed.astype(np.float32)[:, None] * world.users.taste_move[users]
    taste = world.users.taste[users] + moved
    affinity = np.einsum("nr,ncr->nc", taste, world.titles.vector[offered])
    best = np.argmax(affinity + 0.5 * rng.gumbel(size=affinity.shape), axis=1)
    every = np.arange(len(users))
    return offered[every, best], affinity[every, best].astype(np.float64)


def _events(plan: Plan, rng: np.random.Generator, slots: _Slots) -> Events:
    slot, step = np.nonzero(_steps(rng, slots))
    time = slots.time[slot] + SECONDS[step] * SECOND
    title = np.where(step == STEPS.index("search"), -1, slots.title[slot])
    nothing = np.zeros(len(slot), dtype=np.int64)
    # What would lie beyond the last day is folded back before it.
    inside = np.where(time < plan.end, time, 2 * plan.end - 1 - time)
    kinds = np.array([kind(name) for name in STEPS])[step]
    value = _values(rng, slots, slot, step)
    return Events(nothing, kinds, slots.user[slot], title, inside, value, nothing, inside)


def _steps(rng: np.random.Generator, slots: _Slots) -> Bools:
    """Slots times steps: what happened."""
    chance = rng.random((len(slots.user), 4))
    watched = chance[:, 0] < sigmoid(-0.4 + 1.2 * slots.affinity)
    shown = np.ones(len(watched), dtype=bool)
    listed, rated = ~watched & (chance[:, 1] < LISTED), watched & (chance[:, 2] < RATED)
    return np.stack([chance[:, 3] < SEARCHED, shown, listed, watched, rated], axis=1)


def _values(rng: np.random.Generator, slots: _Slots, slot: Ints, step: Ints) -> Floats:
    """Views: the fraction watched; ratings: halves from 0.5 to 5; else NaN."""
    affinity, quality = slots.affinity[slot], slots.quality[slot]
    noise = rng.normal(size=len(slot))
    fraction = np.round(sigmoid(1.8 * affinity + 0.4 * quality + 0.8 * noise), 3)
    stars = np.clip(np.round(2 * (2.75 + affinity + 0.6 * quality + 0.5 * noise)) / 2, 0.5, 5.0)
    rated = np.where(step == STEPS.index("rating"), stars, np.nan)
    return np.where(step == STEPS.index("view"), fraction, rated)


def by_day(days: Ints) -> Iterator[tuple[int, slice]]:
    """Each day of an ascending column with its rows."""
    if not len(days):
        return
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1), len(days)]
    for low, high in pairwise(int(edge) for edge in edges):
        yield int(days[low]), slice(low, high)
