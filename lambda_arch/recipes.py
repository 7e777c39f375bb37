"""Settings of the night: what each model is trained with, what may be tried, how it is judged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    """A user's vector from the item factors: regularisation, confidence, and how recency weighs (models.FoldIn)."""

    reg: float
    alpha: float
    floor: float
    gain: float
    memory: float = Field(gt=0)
    few: float = Field(gt=0)


class Recommend(Recipe):
    """Implicit ALS (Hu, Koren, Volinsky 2008)."""

    rank: int
    reg: float
    alpha: float
    iterations: int
    fold_in: FoldIn


class Segment(Recipe):
    """KMeans."""

    k: int


class Churn(Recipe):
    """Logistic regression and its label."""

    horizon_days: int
    reg: float
    cutoff: float
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]


class Sentiment(Recipe):
    """Naive Bayes over uni- and bigrams."""

    min_count: int
    smoothing: float


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


class Batch(Section):
    """The night."""

    seed: int
    min_users: int
    top_n: int
    recommend: Recommend
    segment: Segment
    churn: Churn
    sentiment: Sentiment
    backtest: Backtest
