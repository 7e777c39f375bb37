"""The span in parts of about as many events each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from generate.lives import life_events
from generate.plan import GenerateError, Ints, Plan
from generate.rows import Events
from generate.world import World

PART_EVENTS = 200_000
FOREVER = 2**62


@dataclass(frozen=True)
class Part:
    """A span of the rhythm and how much of everything falls into it: [first, last) by number."""

    number: int
    span: tuple[float, float]
    until: int
    lives: Events
    sessions: tuple[int, int]
    posts: tuple[int, int]
    duplicates: int


def parts(plan: Plan, world: World) -> Iterator[Part]:
    """The parts of a plan: what befalls users has its own times, sessions fill up, duplicates go by size.

    Raises GenerateError for fewer events than befall the users.
    """
    lives = life_events(plan, world.users, world.lives)
    sessions = _left_for_sessions(plan, len(lives))
    count = 1 + (plan.events - 1) // PART_EVENTS
    edges = world.rhythm.moment(np.arange(1, count) / count)
    cuts = np.array([0, *np.searchsorted(lives.time, edges), len(lives)])
    repeated = _repeated(plan, np.diff(cuts), sessions)
    for n in range(count):
        low, high = _cut(sessions, n, count)
        yield Part(
            number=n,
            span=(n / count, (n + 1) / count),
            until=int(edges[n]) if n + 1 < count else FOREVER,
            lives=lives.taken(slice(cuts[n], cuts[n + 1])),
            sessions=(len(lives) + low, len(lives) + high),
            posts=_cut(plan.posts, n, count),
            duplicates=int(repeated[n]),
        )


def _left_for_sessions(plan: Plan, lives: int) -> int:
    left = plan.events - plan.repeated - lives
    if left < 0:
        least = int(np.ceil(lives / (1 - plan.duplicates))) + 1
        raise GenerateError(f"events: {plan.users} users over {plan.days} days need {least}, have {plan.events}")
    return left


def _repeated(plan: Plan, lives: Ints, sessions: int) -> Ints:
    """Duplicates by part, in proportion to its other events."""
    cuts = [_cut(sessions, n, len(lives)) for n in range(len(lives))]
    done = np.cumsum(lives + np.array([high - low for low, high in cuts]))
    return np.asarray(np.diff(done * plan.repeated // done[-1], prepend=0))


def _cut(total: int, part: int, parts: int) -> tuple[int, int]:
    """The part's share of a total, as [first, last)."""
    return total * part // parts, total * (part + 1) // parts
