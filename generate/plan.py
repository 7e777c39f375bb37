"""What was asked for, and chance: the same on every run of one plan."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
RANK = 8
# Where what is made begins unless told otherwise: 2026-01-01 00:00 UTC.
START = 1_767_225_600_000
# More than half of it repeated or delayed would no longer be a log.
BOUNDS: tuple[tuple[tuple[str, ...], int, float], ...] = (
    (("events", "users", "titles"), 1, 10**9),
    (("days",), 1, 3650),
    (("seed", "posts"), 0, 10**9),
    (("duplicates", "disorder", "late"), 0, 0.5),
)


class GenerateError(ValueError):
    """The plan cannot be met; the message says which part and how to mend it."""


@dataclass(frozen=True)
class Plan:
    """How much of what, from when, by which seed; `start` in milliseconds since 1970 UTC.

    `events` counts duplicates too. `duplicates` is a share of the events, `disorder` and `late` of those that
    are sent for the first time. Raises GenerateError for a number out of range.
    """

    events: int
    users: int
    titles: int
    days: int
    start: int
    seed: int
    posts: int
    duplicates: float = 0.01
    disorder: float = 0.05
    late: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        for names, low, high in BOUNDS:
            for name in names:
                if not low <= getattr(self, name) <= high:
                    raise GenerateError(f"{name}: want {low} to {high}, have {getattr(self, name)}")
        if self.start < DAY:
            raise GenerateError("start: want 1970-01-02 or later, as the contract for event times does")

    @property
    def end(self) -> int:
        """The first millisecond after the last day."""
        return self.start + self.days * DAY

    @property
    def repeated(self) -> int:
        """How many of the events are duplicates."""
        return round(self.events * self.duplicates)

    def rng(self, purpose: str, part: int = 0) -> np.random.Generator:
        """Chance for one purpose and part, independent of all others."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode()), part])


def sigmoid(x: Floats) -> Floats:
    """Log-odds as a probability."""
    return np.asarray(1 / (1 + np.exp(-x)))


def unit(vectors: Floats) -> Floats:
    """The rows with length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def draw(rng: np.random.Generator, weights: Floats, shape: int | tuple[int, ...]) -> Ints:
    """Indices, each as often as its weight says."""
    steps = np.cumsum(weights)
    found = np.searchsorted(steps, rng.random(shape) * steps[-1], side="right")
    return np.asarray(np.minimum(found, len(weights) - 1))
