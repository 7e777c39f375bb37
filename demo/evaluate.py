"""The demo's use cases: asked at the half of the stream, judged by what came after it."""

from __future__ import annotations

import json
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
)  # fmt: skip
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.records import UseCase
from lambda_arch.scoring import positive_probability
from lambda_arch.store import AsyncStore
from serving import console
from serving.answers import Answers
from serving.replies import EntityReply

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
        self.texts = dict(_posts(data))


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


def judged(half: Asked, end: Asked, truth: Truth, models: Models) -> dict[str, dict[str, Any]]:
    """Per use case the quality at the half of the stream: batch only, speed only, arbitrated and the baseline."""
    if models.recommend is None or models.churn is None or models.segment is None or models.sentiment is None:
        raise ValueError(f"generation {models.generation} lacks a model; the demo's data should give all four")
    popular = {"items": [{"title_id": models.recommend.titles[row]} for row in models.recommend.popular[:10]]}
    at_the_end = {entity: three.arbitrated.value["segment"] for entity, three in end.segment.items()}
    sizes = models.segment.sizes
    largest = sizes.index(max(sizes))
    likely = {"positive": float(models.sentiment.positive_share > 0.5)}
    recommend, churn = watched_next(truth.watched), told_churn(truth.left)
    segment, share = same_segment(at_the_end), near_share(truth.shares)
    return {
        "recommend": measured(half.recommend, "nDCG@10 of the titles watched later", recommend, popular)
        | _gain([recommend(e, t.arbitrated.value) - recommend(e, popular) for e, t in half.recommend.items()])
        | {"known_to_batch": sum(three.batch.layer == "batch" for three in half.recommend.values())},
        "churn": measured(half.churn, "minus log-loss", churn, {"probability": models.churn.base_rate})
        | {"auc": _auc(half.churn, truth.left)},
        "segment": measured(half.segment, "agreement with the segment at the end", segment, {"segment": largest}),
        "sentiment": measured(half.sentiment, "1 - distance to the share of positive posts", share, likely)
        | _accuracy(models, truth),
    }


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


def _accuracy(models: Models, truth: Truth) -> dict[str, Any]:
    """How often the model is right about a held-back post; no post of its film was trained on."""
    if models.sentiment is None:
        return {}
    told = {post: positive_probability(models.sentiment, truth.texts[post]) > 0.5 for post in truth.posts}
    right = [float(told[post] == positive) for post, positive in truth.posts.items()]
    return {
        "post_accuracy": round(float(np.mean(right)), 4),
        "post_accuracy_error": round(standard_error(right), 4),
        "posts": len(right),
    }


def _posts(data: Datasets) -> list[tuple[str, str]]:
    lines = [json.loads(line) for path in (data.wave1, data.wave2) for line in path.open(encoding="utf-8")]
    return [(line["value"]["post_id"], line["value"]["text"]) for line in lines if line["topic"] == "posts"]
