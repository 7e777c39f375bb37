"""A generation's models as arrays: what the speed and the serving layer need, and nothing of Spark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambda_arch.records import USE_CASES, UseCase
from lambda_arch.vectors import Vectorizer, vectorizer

SCHEMA = 3
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


class FeatureUse(msgspec.Struct, frozen=True):
    """What one feature does in a model: `measures` of its usefulness by name, and its values in training.

    `shares` are of the values up to each edge and above the last; `drift` is their population stability index
    against the night before, None where it had no such feature.
    """

    measures: dict[str, float]
    edges: list[float]
    shares: list[float]
    drift: float | None = None


class CurvePoint(msgspec.Struct, frozen=True, array_like=True):
    """What calling every customer from the cutoff on would have given; cost per customer."""

    cutoff: float
    precision: float
    recall: float
    cost: float


class ChurnModel(msgspec.Struct, frozen=True, dict=True):
    """Logistic regression, calibrated: probability = 1 / (1 + exp(-(coefficients · x + intercept))).

    `curve` is what customers that training had not seen would have given, by cutoff; `uses` one per feature.
    """

    name: str
    version: int
    features: list[str]
    coefficients: np.ndarray
    intercept: float
    cutoff: float
    base_rate: float
    curve: list[CurvePoint] = []
    uses: list[FeatureUse] = []

    @cached_property
    def vector(self) -> Vectorizer:
        """From a profile to the model's features."""
        return vectorizer(self.features)


class Trait(msgspec.Struct, frozen=True):
    """A feature's mean in a segment against everybody's, in the feature's own unit."""

    feature: str
    mean: float
    everybody: float


class SegmentModel(msgspec.Struct, frozen=True, dict=True):
    """KMeans over scaled features: `centres` is float64 [k, features].

    The lists have an entry per centre: its segment's number, which it keeps from night to night, a name, how many it
    has, its popular title ids, and what sets it apart, furthest first. `given` is how many numbers were ever given
    (0 to given - 1); `uses` has one entry per feature.
    """

    name: str
    version: int
    features: list[str]
    mean: np.ndarray
    scale: np.ndarray
    centres: np.ndarray
    numbers: list[int]
    names: list[str]
    sizes: list[int]
    popular: list[list[str]]
    traits: list[list[Trait]] = []
    given: int = 0
    uses: list[FeatureUse] = []

    @cached_property
    def row(self) -> dict[int, int]:
        """Row of each segment's number."""
        return {number: row for row, number in enumerate(self.numbers)}

    @property
    def largest(self) -> int:
        """The number of the segment with the most members; of equals the first."""
        return self.numbers[self.sizes.index(max(self.sizes))]

    @cached_property
    def vector(self) -> Vectorizer:
        """From a profile to the model's features."""
        return vectorizer(self.features)


class SentimentModel(msgspec.Struct, frozen=True, dict=True):
    """A linear model of a text's distinct tokens: probabilities = softmax(prior + sum of the known tokens' weights).

    `classes` are of posts.FEELINGS, in their order, and `shares` how much of the labelled posts each is; `weights` is
    float64 [tokens, classes], `prior` [classes]. Where there is `idf`, float64 [tokens], the weights contain it and the
    sum is divided by the length of the text's vector of it: tf-idf of length 1. With `buckets` above 0 the vocabulary
    is of numbers that tokens are hashed to.
    """

    name: str
    version: int
    vocabulary: list[str]
    weights: np.ndarray
    prior: np.ndarray
    classes: list[str]
    shares: list[float]
    idf: np.ndarray | None = None
    buckets: int = 0

    @cached_property
    def row(self) -> dict[str, int]:
        """Row of each token."""
        return {token: number for number, token in enumerate(self.vocabulary)}

    @property
    def positive_share(self) -> float:
        """How much of the labelled posts is positive."""
        return dict(zip(self.classes, self.shares, strict=True)).get("positive", 0.0)


class Title(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the catalogue says of a title; stored as a list, of which the release before had all but the last."""

    name: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    brand: str | None = None


class Models(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything of one generation that answers: models by use case (None: not in service) and catalogue."""

    generation: int
    horizon: int
    recommend: RecommendModel | None = None
    churn: ChurnModel | None = None
    segment: SegmentModel | None = None
    sentiment: SentimentModel | None = None
    catalogue: dict[str, Title] = {}
    schema: int = SCHEMA

    def in_service(self) -> dict[UseCase, Any]:
        """The models that there are, by use case."""
        return {use_case: model for use_case in USE_CASES if (model := getattr(self, use_case)) is not None}

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the catalogue's titles, for who needs many."""
        return {title_id: title.name for title_id, title in self.catalogue.items()}

    def genres(self, title_id: str) -> tuple[str, ...]:
        """A title's genres; none for a title the catalogue lacks."""
        title = self.catalogue.get(title_id)
        return title.genres if title else ()

    def name(self, title_id: str) -> str | None:
        """A title's name; None for a title the catalogue lacks."""
        title = self.catalogue.get(title_id)
        return title.name if title else None
