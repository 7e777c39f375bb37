"""How good each layer's answers were, against what came afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from batch.measures.answers import minus_log_loss, ndcg
from lambda_arch.records import UseCase
from serving.answers import Answer, Answers

LAYERS = ("batch", "speed", "arbitrated")


class Three(msgspec.Struct, frozen=True):
    """What would be answered with only one layer in service, and what is answered with both."""

    batch: Answer
    speed: Answer
    arbitrated: Answer


Metric = Callable[[str, dict[str, Any]], float]


async def ask(answers: Answers, use_case: UseCase, entities: Iterable[str]) -> dict[str, Three]:
    """The three answers for each entity (`u:ID` or `t:ID`)."""
    found = {}
    for entity in entities:
        view = await answers.view(entity, (use_case,))
        batch, speed = view.stored[use_case]
        only_batch = msgspec.structs.replace(view, stored={use_case: (batch, None)})
        only_speed = msgspec.structs.replace(view, stored={use_case: (None, speed)})
        found[entity] = Three(*(answers.answer_of(seen, use_case) for seen in (only_batch, only_speed, view)))
    return found


def measured(said: Mapping[str, Three], name: str, metric: Metric, baseline: dict[str, Any] | Metric) -> dict[str, Any]:
    """The mean of `metric` (entity, value) per layer and for the baseline, with arbitrated's standard error.

    `baseline` is one value for all entities, or its metric where it differs from one to the next.
    """
    scores = {
        layer: [metric(entity, getattr(three, layer).value) for entity, three in said.items()] for layer in LAYERS
    }
    if callable(baseline):
        scores["baseline"] = [baseline(entity, {}) for entity in said]
    else:
        scores["baseline"] = [metric(entity, baseline) for entity in said]
    means = {layer: round(float(np.mean(values)), 6) for layer, values in scores.items()}
    error = standard_error(scores["arbitrated"])
    return {"metric": name, **means, "standard_error": round(error, 6), "cases": len(said)}


def standard_error(values: Sequence[float]) -> float:
    """Of the mean."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 1.0


def listed(value: dict[str, Any]) -> list[str]:
    """The title ids of a recommendation, best first."""
    return [item["title_id"] for item in value["items"]]


def watched_next(watched: Mapping[str, Sequence[str]]) -> Metric:
    """nDCG@10 of a list against the titles that the viewer went on to watch."""
    return lambda entity, value: ndcg(listed(value), watched[entity])


def told_churn(truth: Mapping[str, bool]) -> Metric:
    """Minus log-loss of a probability against whether the customer left."""
    return lambda entity, value: minus_log_loss(value["probability"], truth[entity])


def same_segment(truth: Mapping[str, int]) -> Metric:
    """Whether it is the segment that full knowledge gives."""
    return lambda entity, value: float(value["segment"] == truth[entity])


def near_share(truth: Mapping[str, float]) -> Metric:
    """One minus the distance to the share of posts that people called positive."""
    return lambda entity, value: 1 - abs(value["positive"] - truth[entity])


def auc(probabilities: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often one who left is ranked above one who stayed (ties count half)."""
    left, stayed = probabilities[happened], np.sort(probabilities[~happened])
    below = np.searchsorted(stayed, left, side="left")
    ties = np.searchsorted(stayed, left, side="right") - below
    return float((below + ties / 2).sum() / (len(left) * len(stayed)))
