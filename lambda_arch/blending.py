"""One answer of two: what both layers say of the same entity, weighed; used by the backtest and in service alike.

`weight` is the speed layer's, 0 to 1, the batch layer's is the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambda_arch.records import UseCase

HEAD = 10  # titles that the backtest judges: nothing that lies beyond both heads comes before what is in one
WEIGHTS = (0.25, 0.5, 0.75)


def blended(
    use_case: UseCase, batch: Mapping[str, Any], speed: Mapping[str, Any], weight: float
) -> dict[str, Any] | None:
    """Both values as one of the same shape; None for a use case whose answers cannot be weighed."""
    blend = _BY_USE_CASE.get(use_case)
    return blend(batch, speed, weight) if blend else None


def between(batch: float, speed: float, weight: float) -> float:
    """A probability or share between both."""
    return (1 - weight) * batch + weight * speed


def blended_lists(batch: Sequence[str], speed: Sequence[str], weight: float) -> list[tuple[str, float]]:
    """Titles of both lists with their scores: a place counts as much as in discounted gain, a list that lacks it none.

    Fusion by rank, as scores of two models are not comparable (Cormack, Clarke, Büttcher 2009, with another discount).
    """
    of_batch, of_speed = (_places(listed) for listed in (batch, speed))
    scores = {
        title: between(_discount(of_batch.get(title)), _discount(of_speed.get(title)), weight)
        for title in dict.fromkeys([*batch, *speed])
    }
    heads = {*batch[:HEAD], *speed[:HEAD]}
    order = sorted(scores, key=lambda title: (title not in heads, -scores[title]))
    return [(title, scores[title]) for title in order]


def _places(listed: Sequence[str]) -> dict[str, int]:
    return {title: place for place, title in enumerate(listed)}


def _discount(place: int | None) -> float:
    return 0.0 if place is None else 1 / math.log2(place + 2)


def _churn(batch: Mapping[str, Any], speed: Mapping[str, Any], weight: float) -> dict[str, Any]:
    probability = round(between(batch["probability"], speed["probability"], weight), 6)
    return {**speed, "probability": probability, "at_risk": probability >= speed["cutoff"]}


def _sentiment(batch: Mapping[str, Any], speed: Mapping[str, Any], weight: float) -> dict[str, Any]:
    shares = {name: round(between(batch[name], speed[name], weight), 6) for name in ("positive", "low", "high")}
    return {**speed, **shares}


def _recommend(batch: Mapping[str, Any], speed: Mapping[str, Any], weight: float) -> dict[str, Any]:
    most = max(len(batch["titles"]), len(speed["titles"]))
    best = blended_lists(batch["titles"], speed["titles"], weight)[:most]
    return {**speed, "titles": [title for title, _ in best], "scores": [round(score, 6) for _, score in best]}


_BY_USE_CASE: dict[UseCase, Callable[[Mapping[str, Any], Mapping[str, Any], float], dict[str, Any]]] = {
    "recommend": _recommend,
    "churn": _churn,
    "sentiment": _sentiment,
}
