"""The demo's use cases: asked at the half of the stream, judged by what came after it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from demo.datasets import Datasets
from demo.quality import (
    Three,
    ask,
    auc,
    measured,
    near_share,
    same_segment,
    standard_error,
    told_churn,
    watched_next,
)
from lambda_arch.config import Config
from lambda_arch.models import Models, SentimentModel
from lambda_arch.posts import POSITIVE
from lambda_arch.reads import AsyncStore
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.records import UseCase
from lambda_arch.scoring import feeling
from lambda_arch.store import Store
from lambda_arch.tiles import Profile
from serving import console
from serving.answers import Answers
from serving.replies import EntityReply

CUT = 10
NOBODY = "u:nobody-has-seen-me"


class Asked(msgspec.Struct, frozen=True):
    """What was answered for everyone who is judged, by entity."""

    recommend: dict[str, Three]
    churn: dict[str, Three]
    segment: dict[str, Three]
    sentiment: dict[str, Three]


class Truth:
    """What turned out of everything held back."""

    def __init__(self, data: Datasets) -> None:
        known = json.loads(data.truth.read_text(encoding="utf-8"))
        self.watched: dict[str, list[str]] = {f"u:{user}": titles for user, titles in known["watched"].items()}
        self.left: dict[str, bool] = {f"u:{customer}": bool(left) for customer, left in known["churn"].items()}
        self.shares: dict[str, float] = {f"t:{film}": share for film, share in known["films"].items()}
        self.posts: dict[str, bool] = {post: bool(positive) for post, positive in known["posts"].items()}
        first, second = values(data.wave1), values(data.wave2)
        self.texts: dict[str, str] = {sent["post_id"]: sent["text"] for sent in first + second if "post_id" in sent}
        self.seen = seen_titles(first)


async def ask_all(config: Config, truth: Truth) -> Asked:
    """The three answers of every use case for everyone who is judged."""
    wanted: list[tuple[UseCase, list[str]]] = [
        ("recommend", list(truth.watched)), ("churn", list(truth.left)), ("segment", list(truth.watched)),
        ("sentiment", list(truth.shares)),
    ]  # fmt: skip
    answers = Answers(AsyncStore(config.store.url), config)
    try:
        return Asked(*[await ask(answers, use_case, entities) for use_case, entities in wanted])
    finally:
        await answers.close()


def judged(half: Asked, end: Asked, truth: Truth, models: Models, store: Store) -> dict[str, dict[str, Any]]:
    """Per use case the quality at the half of the stream: batch only, speed only, arbitrated and the baseline."""
    if models.recommend is None or models.churn is None or models.segment is None or models.sentiment is None:
        raise ValueError(f"generation {models.generation} lacks a model; the demo's data should give all four")
    popular = unseen_popular(models.recommend, truth, store, models.generation)
    at_the_end = {entity: three.arbitrated.value["segment"] for entity, three in end.segment.items()}
    largest = {"segment": models.segment.largest}
    likely = {"positive": float(models.sentiment.positive_share > 0.5)}
    recommend, churn = watched_next(truth.watched), told_churn(truth.left)
    segment, share = same_segment(at_the_end), near_share(truth.shares)
    return {
        "recommend": measured(
            half.recommend, "nDCG@10 of the titles watched later", recommend, lambda e, _: recommend(e, popular[e])
        )
        | _gain([recommend(e, t.arbitrated.value) - recommend(e, popular[e]) for e, t in half.recommend.items()])
        | {"known_to_batch": sum(three.batch.layer == "batch" for three in half.recommend.values())},
        "churn": measured(half.churn, "minus log-loss", churn, {"probability": models.churn.base_rate})
        | {"auc": _auc(half.churn, truth.left)},
        "segment": measured(half.segment, "agreement with the segment at the end", segment, largest),
        "sentiment": measured(half.sentiment, "1 - distance to the share of positive posts", share, likely)
        | _accuracy(models.sentiment, truth),
    }


def unseen_popular(model: RecommendModel, truth: Truth, store: Store, generation: int) -> dict[str, dict[str, Any]]:
    """For each viewer the most popular titles that they had not seen at the half of the stream."""
    best = [model.titles[row] for row in model.popular]
    answers = {}
    for entity in truth.watched:
        profile = store.entity(entity, generation).get("profile")
        before = msgspec.msgpack.decode(profile, type=Profile).lifetime.history if profile else ()
        seen = truth.seen[entity] | {entry.title for entry in before}
        unseen = itertools.islice((title for title in best if title not in seen), CUT)
        answers[entity] = {"items": [{"title_id": title} for title in unseen]}
    return answers


async def samples(config: Config, half: Asked) -> list[EntityReply]:
    """Three viewers: one whom both layers know, one who exists only in the stream, and nobody."""
    both = [entity for entity, three in half.recommend.items() if three.batch.layer == "batch"]
    streamed = [entity for entity, three in half.recommend.items() if three.batch.layer == "fallback"]
    return [await console.ask(config, entity, ("recommend",)) for entity in (*both[:1], *streamed[:1], NOBODY)]


def _gain(gains: list[float]) -> dict[str, Any]:
    """Of the same viewers, pair by pair: the viewers differ more than the lists."""
    return {"gain_over_baseline": round(float(np.mean(gains)), 6), "gain_error": round(standard_error(gains), 6)}


def _auc(said: dict[str, Three], left: dict[str, bool]) -> float:
    probabilities = np.array([three.arbitrated.value["probability"] for three in said.values()])
    return round(auc(probabilities, np.array([left[entity] for entity in said])), 4)


def _accuracy(model: SentimentModel, truth: Truth) -> dict[str, Any]:
    """How often the model is right about a held-back post; no post of its film was trained on."""
    told = {post: feeling(model, truth.texts[post]) == POSITIVE for post in truth.posts}
    right = [float(told[post] == positive) for post, positive in truth.posts.items()]
    return {
        "post_accuracy": round(float(np.mean(right)), 4),
        "post_accuracy_error": round(standard_error(right), 4),
        "posts": len(right),
    }


def values(wave: Path) -> list[dict[str, Any]]:
    """The events and posts of a wave."""
    with wave.open(encoding="utf-8") as lines:
        return [json.loads(line)["value"] for line in lines]


def seen_titles(sent: list[dict[str, Any]]) -> dict[str, set[str]]:
    """By entity, the titles that a wave's events are about."""
    seen: dict[str, set[str]] = {}
    for value in sent:
        if "user_id" in value and "title_id" in value:
            seen.setdefault(f"u:{value['user_id']}", set()).add(value["title_id"])
    return seen
