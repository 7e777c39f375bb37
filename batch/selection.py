"""Selection: every candidate of a use case as it was measured, and the settings that the night trains with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from lambda_arch.recipes import Recipe

R = TypeVar("R", bound=Recipe)


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
