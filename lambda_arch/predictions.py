"""Profile -> records: what a generation's models say of one entity, whichever layer asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lambda_arch.clock import rfc3339
from lambda_arch.models import ChurnModel, Models, SegmentModel
from lambda_arch.outlook import outlook
from lambda_arch.posts import PostProfile
from lambda_arch.records import Layer, Prediction, UseCase
from lambda_arch.scoring import churn_probability, nearest_segment, top_titles_many, watch_next, wilson
from lambda_arch.tiles import Profile

NEXT = 5  # titles


class Scoring(msgspec.Struct, frozen=True):
    """What is the same for every record of one scoring run; times in microseconds."""

    models: Models
    layer: Layer
    now: int
    written_at: int
    top_n: int


def predict_user(user_id: str, profile: Profile, scoring: Scoring) -> list[Prediction]:
    """Every use case that the models and the profile allow: recommend, segment, churn."""
    return predict_users([(user_id, profile)], scoring)[0]


def predict_users(users: Sequence[tuple[str, Profile]], scoring: Scoring) -> list[list[Prediction]]:
    """The `predict_user` of each, much faster than one by one."""
    return predict_each([(user_id, profile, scoring.now) for user_id, profile in users], scoring)


def predict_each(users: Sequence[tuple[str, Profile, int]], scoring: Scoring) -> list[list[Prediction]]:
    """The same, each user at a time of their own (microseconds)."""
    listed = _recommend([profile for _, profile, _ in users], scoring)
    return [
        _records(f"u:{user_id}", profile, titles, msgspec.structs.replace(scoring, now=now))
        for (user_id, profile, now), titles in zip(users, listed, strict=True)
    ]


def predict_title(title_id: str, profile: PostProfile, scoring: Scoring) -> list[Prediction]:
    """The audience's feeling about a title, and where it is headed; the same for the same posts in either layer."""
    model = scoring.models.sentiment
    tile = profile.lifetime
    if model is None or tile.posts == 0:
        return []
    value = sentiment_value(profile) | outlook(profile, model.positive_share)
    return [_record(f"t:{title_id}", "sentiment", model, value, rfc3339(tile.last or 0), tile.posts, scoring)]


def sentiment_value(profile: PostProfile) -> dict[str, Any]:
    """What the audience feels: the share of positive posts with its 95 % interval."""
    tile = profile.lifetime
    low, high = wilson(tile.positive, tile.posts)
    share = tile.positive / tile.posts if tile.posts else 0.5
    return {"positive": round(share, 6), "low": round(low, 6), "high": round(high, 6), "posts": tile.posts}


def recommend_value(best: Sequence[tuple[str, float]], following: tuple[str, list[str]] | None) -> dict[str, Any]:
    """The value of a recommend record; `next` are the titles nearest to the one watched last, where there are any."""
    value: dict[str, Any] = {"titles": [title for title, _ in best], "scores": [score for _, score in best]}
    return {**value, "next": {"after": following[0], "titles": following[1]}} if following else value


def churn_value(probability: float, cutoff: float) -> dict[str, Any]:
    """The value of a churn record."""
    return {"probability": round(probability, 6), "at_risk": probability >= cutoff, "cutoff": cutoff}


def segment_value(model: SegmentModel, number: int, distance: float | None) -> dict[str, Any]:
    """The value of a segment record."""
    return {"segment": number, "name": model.names[model.row[number]], "distance": distance}


def _records(entity: str, profile: Profile, titles: dict[str, Any] | None, scoring: Scoring) -> list[Prediction]:
    models = scoring.models
    answers: list[tuple[UseCase, Any, dict[str, Any] | None]] = [
        ("recommend", models.recommend, titles),
        ("segment", models.segment, _segment(models.segment, profile, scoring.now)),
        ("churn", models.churn, _churn(models.churn, profile, scoring.now)),
    ]
    as_of, evidence = rfc3339(profile.lifetime.last or 0), profile.lifetime.events()
    return [
        _record(entity, use_case, model, value, as_of, evidence, scoring)
        for use_case, model, value in answers
        if value is not None
    ]


def _recommend(profiles: Sequence[Profile], scoring: Scoring) -> list[dict[str, Any] | None]:
    model = scoring.models.recommend
    if model is None:
        return [None] * len(profiles)
    histories = [profile.lifetime.history for profile in profiles]
    lists = top_titles_many(model, histories, scoring.top_n)
    return [
        recommend_value(best, watch_next(model, history, NEXT)) if best else None
        for history, best in zip(histories, lists, strict=True)
    ]


def _segment(model: SegmentModel | None, profile: Profile, now: int) -> dict[str, Any] | None:
    if model is None or not profile.lifetime.history:
        return None
    number, distance = nearest_segment(model, profile, now)
    return segment_value(model, number, round(distance, 6))


def _churn(model: ChurnModel | None, profile: Profile, now: int) -> dict[str, Any] | None:
    if model is None or profile.lifetime.account is None:
        return None
    return churn_value(churn_probability(model, profile, now), model.cutoff)


def _record(
    entity: str, use_case: UseCase, model: Any, value: dict[str, Any], as_of: str, evidence: int, scoring: Scoring
) -> Prediction:
    return Prediction(
        use_case=use_case, entity=entity, value=value, layer=scoring.layer, model=model.name,
        model_version=model.version, as_of=as_of, evidence=evidence,
        generation=scoring.models.generation, written_at=rfc3339(scoring.written_at),
    )  # fmt: skip
