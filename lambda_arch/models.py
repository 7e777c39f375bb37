"""A generation's models as arrays: what the speed and the serving layer need, and nothing of Spark."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from lambda_arch.recommend_model import RecommendModel
from lambda_arch.records import USE_CASES, UseCase
from lambda_arch.vectors import Vectorizer, vectorizer

SCHEMA = 3


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
