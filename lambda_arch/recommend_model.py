"""The recommender's model as arrays: titles' factors, and how a viewer's vector is solved from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class FoldIn(msgspec.Struct, frozen=True):
    """How a user's vector is solved from the item factors.

    A title after which the user saw k others weighs floor + gain * exp(-k / memory) times its strength; `alpha` turns
    weight into confidence. `reg` is added to the diagonal: less, in proportion, of users with fewer than `few` titles.
    To the scores of a user with n titles, prior * exp(-n / fading) times what is popular of late is added.
    """

    reg: float
    alpha: float
    floor: float = 1.0
    gain: float = 0.0
    memory: float = 1.0
    few: float = 1.0
    prior: float = 0.0
    fading: float = 1.0

    def recency(self, count: int) -> Array:
        """What each of so many titles weighs, newest first, float64 [count]."""
        weights: Array = self.floor + self.gain * np.exp(-np.arange(count) / self.memory)
        return weights

    def diagonal(self, count: int) -> float:
        """The regularisation of a user with so many titles."""
        return self.reg * min(1.0, count / self.few)

    def crowd(self, count: int) -> float:
        """What the popularity of late weighs for a user with so many titles."""
        return self.prior * math.exp(-count / self.fading)


class LongestFirst(NamedTuple):
    """Rows of titles by the length of their traits, `place` of each row there, and in that order traits and lengths."""

    rows: Array
    place: Array
    traits: Array
    lengths: Array


class RecommendModel(msgspec.Struct, frozen=True, dict=True):
    """Implicit ALS's item side: `factors` is float32 [titles, rank]; `popular` are row numbers, best first.

    `recent`, float32 [titles], is each title's popularity of late as a share of the most popular one's; None: unknown.
    `near`, int32 [titles, neighbours], has the rows of titles that the same viewers saw, nearest first; -1: none.
    The last `placed` titles nobody had seen: their factors are what their content says.
    """

    name: str
    version: int
    titles: list[str]
    factors: np.ndarray
    fold_in: FoldIn
    popular: list[int]
    recent: np.ndarray | None = None
    near: np.ndarray | None = None
    placed: int = 0

    @cached_property
    def row(self) -> dict[str, int]:
        """Row of each title."""
        return {title: number for number, title in enumerate(self.titles)}

    def is_new(self, title: str) -> bool:
        """Whether nobody had seen the title at the horizon."""
        return self.row.get(title, len(self.titles)) >= len(self.titles) - self.placed

    def content(self, titles: Sequence[str]) -> Array:
        """What the content of new titles says, float64 [titles, rank]: zeros where it is not known."""
        found = np.zeros((len(titles), self.factors.shape[1]))
        known = [place for place, title in enumerate(titles) if title in self.row]
        found[known] = self.factors[[self.row[titles[place]] for place in known]]
        return found

    @cached_property
    def gram(self) -> Array:
        """The factors' Gram matrix, float64 [rank, rank]."""
        factors = self.factors.astype(np.float64)
        gram: Array = factors.T @ factors
        return gram

    @cached_property
    def traits(self) -> Array:
        """What a user's traits are multiplied by: factors and, where it is known, the popularity of late; float32."""
        return self.factors if self.recent is None else np.column_stack((self.factors, self.recent))

    @cached_property
    def longest_first(self) -> LongestFirst:
        """The titles by the length of their traits; of equals the first."""
        lengths = np.linalg.norm(self.traits.astype(np.float64), axis=1)
        rows = np.argsort(-lengths, kind="stable")
        place = np.empty_like(rows)
        place[rows] = np.arange(len(rows))
        return LongestFirst(rows, place, np.ascontiguousarray(self.traits[rows]), lengths[rows])

    @cached_property
    def _inverses(self) -> dict[float, Array]:
        return {}

    def inverse(self, count: int) -> Array:
        """The inverse of `regular(count)`, kept: a batch of events has users of a hundred different counts."""
        diagonal = self.fold_in.diagonal(count)
        if diagonal not in self._inverses:
            self._inverses[diagonal] = np.linalg.inv(self.regular(count))
        return self._inverses[diagonal]

    def regular(self, count: int) -> Array:
        """The Gram matrix and on its diagonal the regularisation of a user with so many titles, [rank, rank]."""
        regular: Array = self.gram + self.fold_in.diagonal(count) * np.eye(self.factors.shape[1])
        return regular
