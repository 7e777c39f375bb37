"""Posts: what people say of a title, in words that give its quality away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.plan import Bools, Ints, Plan, draw, sigmoid
from generate.rhythm import day_of, progress
from generate.sessions import by_day
from generate.titles import FEELING
from generate.world import World

POSITIVE = (
    "wonderful", "gripping", "moving", "brilliant", "charming", "funny", "superb", "clever", "beautiful", "fresh",
    "thrilling", "tender", "masterful", "delightful", "warm", "stunning", "witty", "unforgettable", "smart", "bold",
)  # fmt: skip
NEGATIVE = (
    "dull", "boring", "clumsy", "tedious", "predictable", "awful", "shallow", "lifeless", "messy", "stale",
    "annoying", "flat", "forgettable", "pointless", "lazy", "cold", "overlong", "weak", "silly", "hollow",
)  # fmt: skip
NEUTRAL = (
    "the", "a", "story", "film", "series", "plot", "cast", "scene", "it", "and", "with", "ending", "music", "we",
    "watched", "tonight", "episode", "was", "is", "camera", "director", "really", "again", "in", "season", "second",
    "start", "characters", "felt", "this",
)  # fmt: skip
WORDS = (*POSITIVE, *NEGATIVE, *NEUTRAL)
LENGTH = 12
TELLING = 0.3
# A telling word says what its author feels so often.
HONEST = 0.85


@dataclass(frozen=True)
class Opinions:
    """One post a row; `words` has an index into WORDS per place of the text."""

    number: Ints
    title: Ints
    author: Ints
    time: Ints
    positive: Bools
    words: Ints


def opinions(plan: Plan, world: World, part: int, span: tuple[float, float], first: int, count: int) -> Opinions:
    """`count` posts by time, numbered from `first`, written within a span of the rhythm."""
    rng = plan.rng("opinions", part)
    time = world.rhythm.moment(np.sort(rng.uniform(*span, size=count)))
    title, author = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for day, rows in by_day(day_of(plan, time)):
        title[rows] = draw(rng, world.titles.pull(day), rows.stop - rows.start)
        author[rows] = draw(rng, world.lives.present(world.users, day), rows.stop - rows.start)
    share = sigmoid(FEELING * world.titles.quality_at(title, progress(plan, time)))
    positive = rng.random(count) < share
    return Opinions(np.arange(first, first + count), title, author, time, positive, _words(rng, positive))


def _words(rng: np.random.Generator, positive: Bools) -> Ints:
    shape = (len(positive), LENGTH)
    telling = rng.random(shape) < TELLING
    telling[:, LENGTH // 2] = True
    kindly = (rng.random(shape) < HONEST) == positive[:, None]
    told = rng.integers(len(POSITIVE), size=shape) + np.where(kindly, 0, len(POSITIVE))
    filler = rng.integers(len(POSITIVE) + len(NEGATIVE), len(WORDS), size=shape)
    return np.where(telling, told, filler)
