"""Settings of the night: what each model is trained with, what may be tried, how it is judged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lambda_arch.vectors import vectorizer


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipe(Section):
    """What a model is trained with; `grid` names values to try for some of the settings."""

    grid: Mapping[str, tuple[Any, ...]]

    def candidates(self) -> list[Self]:
        """These settings with every combination of the grid's values; just themselves where the grid is empty."""
        combinations = itertools.product(*self.grid.values())
        return [self._with(dict(zip(self.grid, values, strict=True))) for values in combinations]

    def _with(self, changes: Mapping[str, Any]) -> Self:
        return type(self).model_validate({**self.model_dump(), **changes, "grid": {}})

    @model_validator(mode="after")
    def _grid_fits(self) -> Self:
        if self.grid:
            self.candidates()
        return self


class FoldIn(Section):
    """A user's vector from the item factors: regularisation, confidence, recency, and the prior (models.FoldIn)."""

    reg: float
    alpha: float
    floor: float
    gain: float
    memory: float = Field(gt=0)
    few: float = Field(gt=0)
    prior: float = Field(ge=0)
    fading: float = Field(gt=0)


class Recommend(Recipe):
    """Implicit ALS (Hu, Koren, Volinsky 2008)."""

    rank: int
    reg: float
    alpha: float
    iterations: int
    fold_in: FoldIn


def _known_features(names: tuple[str, ...]) -> tuple[str, ...]:
    vectorizer(names)
    return names


FeatureNames = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known_features)]


class Segment(Recipe):
    """KMeans over scaled features (names and patterns of lambda_arch.vectors), the best of `starts`."""

    k: int = Field(ge=2)
    starts: int = Field(ge=1)
    features: FeatureNames


class Costs(Section):
    """What a wrong call about one customer costs, in any one unit."""

    false_positive: float = Field(ge=0)
    false_negative: float = Field(ge=0)


class Churn(Recipe):
    """Logistic regression over features (names and patterns of lambda_arch.vectors), and its label."""

    label: Literal["cancel", "inactivity"]
    horizon_days: int = Field(ge=1)
    reg: float = Field(ge=0)
    balanced: bool
    folds: int = Field(ge=2)
    costs: Costs
    features: FeatureNames


class Bayes(Section):
    """Multinomial naive Bayes, and how its texts are weighed."""

    smoothing: float
    idf: bool
    normalised: bool


class Margin(Section):
    """A linear classifier found by iteration, and how its texts are weighed."""

    reg: float
    iterations: int
    idf: bool
    normalised: bool


Algorithm = Literal["naive_bayes", "logistic_regression", "linear_svc"]


class Sentiment(Recipe):
    """A linear classifier over uni- and bigrams; each algorithm has settings of its own."""

    algorithm: Algorithm
    folds: int
    min_count: int
    buckets: int
    naive_bayes: Bayes
    logistic_regression: Margin
    linear_svc: Margin

    @property
    def learner(self) -> Bayes | Margin:
        """The settings of the algorithm."""
        learner: Bayes | Margin = getattr(self, self.algorithm)
        return learner


class Backtest(Section):
    """How fidelity is measured.

    Of each viewer's events, or title's posts, the first `known_share` are known, to the models that are judged as well;
    where that gives fewer than `least_cases` at some lag, the `later_shares` give further cases. Cuts before
    `known_share` would judge models by what they were trained on.
    """

    known_share: float = Field(gt=0, lt=1)
    later_shares: tuple[float, ...]
    targets: int = Field(ge=1)
    least_cases: int = Field(ge=1)
    most_users: int = Field(ge=2)
    resamples: int = Field(ge=1000)

    @model_validator(mode="after")
    def _later_is_later(self) -> Self:
        shares = [self.known_share, *self.later_shares, 1.0]
        if any(later <= earlier for earlier, later in itertools.pairwise(shares)):
            raise ValueError(f"later_shares must rise from known_share = {self.known_share} to below 1")
        return self


Standing = Literal["above", "level", "any"]


class Bar(Section):
    """What a new model must reach: how it must stand to each baseline, cases, and least values of measures."""

    baselines: dict[str, Standing]
    min_cases: int
    criteria: dict[str, float]


class Gate(Section):
    """What a generation and its models must reach to become current."""

    min_users: int
    min_share: float
    max_silence_hours: float
    recommend: Bar
    segment: Bar
    churn: Bar
    sentiment: Bar


class Batch(Section):
    """The night."""

    seed: int
    top_n: int
    recommend: Recommend
    segment: Segment
    churn: Churn
    sentiment: Sentiment
    backtest: Backtest
    gate: Gate
