"""Selection: every candidate of a use case as it was measured, and the settings that the night trains with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from pyspark.sql import SparkSession

from lambda_arch.recipes import Recipe

R = TypeVar("R", bound=Recipe)
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Trial(msgspec.Struct, frozen=True):
    """One candidate: the algorithm, its settings, and metrics (the first decides; higher is better)."""

    name: str
    settings: dict[str, Any]
    metrics: dict[str, float]
    standard_error: float
    seconds: float


@dataclass(frozen=True)
class Selection(Generic[R]):
    """The settings chosen and all candidates, the chosen one first; none where there was nothing to choose from.

    `reason` says why there can be no model at all.
    """

    chosen: R
    trials: tuple[Trial, ...] = ()
    reason: str | None = None


def best_first(candidates: Sequence[R], trials: Sequence[Trial], baselines: Iterable[Trial] = ()) -> Selection[R]:
    """The candidate whose trial is best by its first metric, of equals the first; the others follow as they came."""
    best = max(range(len(candidates)), key=lambda number: (next(iter(trials[number].metrics.values())), -number))
    others = [trial for number, trial in enumerate(trials) if number != best]
    return Selection(candidates[best], (trials[best], *others, *baselines))


def side_by_side(spark: SparkSession, run: Callable[[Asked], Found], asked: Iterable[Asked]) -> list[Found]:
    """What `run` finds of each, in their order: a small fit leaves cores idle, so as many run as there are cores."""
    with ThreadPoolExecutor(spark.sparkContext.defaultParallelism) as threads:
        return list(threads.map(run, asked))
