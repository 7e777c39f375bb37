"""What to answer when neither layer can: never nothing, as long as one generation was ever published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from lambda_arch.models import Models
from lambda_arch.posts import PostProfile
from lambda_arch.predictions import churn_value, segment_value, sentiment_value
from lambda_arch.records import UseCase

IN_SEGMENT, POPULAR, CATALOGUE = "popular in segment", "popular", "catalogue"


class Fallback(msgspec.Struct, frozen=True):
    """A value for somebody unknown, and the model it comes from (version 0: none)."""

    value: dict[str, Any]
    model: str
    model_version: int


def fallback(use_case: UseCase, models: Models, segment: int | None, count: int) -> Fallback:
    """The end of the use case's chain; `segment` where the user's is known, at most `count` titles."""
    match use_case:
        case "recommend":
            return _popular(models, segment, count)
        case "segment":
            return _biggest_segment(models)
        case "churn":
            return _base_rate(models)
        case "sentiment":
            return _neutral(models)


def popular_chain(models: Models, segment: int | None) -> dict[str, list[str]]:
    """What is popular, by where: in the segment, where that is known, then with everybody."""
    overall = models.recommend
    everybody = [overall.titles[row] for row in overall.popular] if overall else []
    return {IN_SEGMENT: _of_segment(models, segment), POPULAR: everybody}


def _popular(models: Models, segment: int | None, count: int) -> Fallback:
    """The segment's popular titles, then everybody's, then the catalogue's; scores do not apply."""
    of_segment, everybody = popular_chain(models, segment).values()
    overall = models.recommend
    titles = _first([of_segment, everybody, sorted(models.catalogue)], count)
    if models.segment and of_segment:
        return Fallback(_titles(titles), IN_SEGMENT, models.segment.version)
    if overall and everybody:
        return Fallback(_titles(titles), POPULAR, overall.version)
    return Fallback(_titles(titles), CATALOGUE, models.generation)


def _of_segment(models: Models, segment: int | None) -> list[str]:
    model = models.segment
    row = model.row.get(segment) if model and segment is not None else None
    return model.popular[row] if model and row is not None else []


def _first(chain: Iterable[list[str]], count: int) -> list[str]:
    return list(dict.fromkeys(title for titles in chain for title in titles))[:count]


def _titles(titles: list[str]) -> dict[str, Any]:
    return {"titles": titles, "scores": []}


def _biggest_segment(models: Models) -> Fallback:
    model = models.segment
    if model is None or not model.sizes:
        return Fallback({"segment": None, "name": "unknown", "distance": None}, "none", 0)
    return Fallback(segment_value(model, model.largest, None), "biggest segment", model.version)


def _base_rate(models: Models) -> Fallback:
    model = models.churn
    if model is None:
        return Fallback({"probability": None, "at_risk": False, "cutoff": None}, "none", 0)
    return Fallback(churn_value(model.base_rate, model.cutoff), "base rate", model.version)


def _neutral(models: Models) -> Fallback:
    nobody = sentiment_value(PostProfile())
    model = models.sentiment
    if model is None:
        return Fallback(nobody, "neutral", 0)
    return Fallback({**nobody, "positive": round(model.positive_share, 6)}, "positive share", model.version)
