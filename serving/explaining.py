"""Everything behind the answers to one viewer: both layers, and what each answer is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambda_arch.clock import SECOND, rfc3339
from lambda_arch.contributions import because, churn_reasons, strongest_words, words_of
from lambda_arch.models import Models, SentimentModel
from lambda_arch.records import TITLE_USE_CASES, USER_USE_CASES, UseCase
from lambda_arch.scoring import centre_distances
from serving.answers import Answer, Answers, View
from serving.arbiter import age
from serving.person import PROFILE, STATE, Person
from serving.replies import layers
from serving.stored import candidates
from serving.values import named

STRONGEST = 20  # words of each class
REASONS = 10  # titles of the history, those that explain and the newest


class Explainer:
    """What is behind the answers; raises StoreError where the store is away and nothing is in memory."""

    def __init__(self, answers: Answers, history_limit: int) -> None:
        self._answers, self._limit = answers, history_limit

    async def of_user(self, user_id: str, n: int, text: str | None) -> dict[str, Any]:
        """A viewer's answers, `n` of the recommended titles, and of a text its words."""
        view = await self._answers.view(f"u:{user_id}", (*USER_USE_CASES, PROFILE, STATE))
        answers = [self._answers.answer_of(view, use_case) for use_case in USER_USE_CASES]
        person = Person(view, self._limit)
        told = self._told(view, answers, USER_USE_CASES)
        told["made_of"] = made_of(person, view.models(), answers[0], n)
        return told if text is None else {**told, "words": words(view.models().sentiment, text)}

    async def of_title(self, title_id: str, text: str | None) -> dict[str, Any]:
        """The answer about a title, and the words of a text, or the strongest of all."""
        view = await self._answers.view(f"t:{title_id}", TITLE_USE_CASES)
        told = self._told(view, [self._answers.answer_of(view, "sentiment")], TITLE_USE_CASES)
        return {**told, "words": words(view.models().sentiment, text)}

    def _told(self, view: View, answers: list[Answer], use_cases: Sequence[UseCase]) -> dict[str, Any]:
        both = layers(view, answers).model_dump(mode="json")
        return {**both, "ages": {use_case: ages(view, use_case) for use_case in use_cases}}


def ages(view: View, use_case: UseCase) -> dict[str, float | None]:
    """How old what each layer says is, in seconds; None where it says nothing that can be read."""
    found, _ = candidates(view.stored[use_case], use_case, view.entity)
    layers = {"batch": found.batch, "speed": found.speed}
    return {
        layer: None if record is None else age(record, view.generations, view.now) / SECOND
        for layer, record in layers.items()
    }


def made_of(person: Person, models: Models, recommended: Answer, n: int) -> dict[str, Any]:
    """What the viewer's answers are made of, by the profile of both layers and the models in memory.

    Without a model, or a profile that it can say something of, a use case is left out.
    """
    parts = {
        "recommend": _recommend(person, models, recommended, n),
        "segment": _segment(person, models),
        "churn": _churn(person, models),
    }
    return {use_case: part for use_case, part in parts.items() if part}


def words(model: SentimentModel | None, text: str | None) -> dict[str, Any] | None:
    """The words of a text with their weights, or where there is none the strongest of each class."""
    if model is None:
        return None
    if text is None:
        return {"text": None, "strongest": strongest_words(model, STRONGEST)}
    return {"text": words_of(model, text), "strongest": None}


def _recommend(person: Person, models: Models, recommended: Answer, n: int) -> dict[str, Any] | None:
    model, history = models.recommend, person.taste(recommended.layer)
    if model is None or not history:
        return None
    titles = [item["title_id"] for item in recommended.value["items"][:n]]
    return {
        "history": len(person.whole.lifetime.history),
        "newest": [
            {**named(seen.title, models), "at": rfc3339(seen.time), "known_by": person.knows(seen)}
            for seen in person.whole.lifetime.history[:REASONS]
        ],
        "titles": [
            {
                **named(title, models),
                "because": [{**named(seen, models), "contribution": part} for seen, part in made.titles[:REASONS]],
                "popularity": round(made.crowd, 6),
            }
            for title, made in because(model, history, titles).items()
        ],
    }


def _segment(person: Person, models: Models) -> dict[str, Any] | None:
    model = models.segment
    if model is None or not person.whole.lifetime.history:
        return None
    distances = centre_distances(model, person.whole, max(models.horizon, person.whole.lifetime.last or 0))
    return {
        "distances": [
            {"segment": number, "name": name, "distance": round(float(distance), 6)}
            for distance, number, name in sorted(zip(distances, model.numbers, model.names, strict=True))
        ]
    }


def _churn(person: Person, models: Models) -> dict[str, Any] | None:
    model = models.churn
    if model is None or person.whole.lifetime.account is None:
        return None
    reasons = churn_reasons(model, person.whole, max(models.horizon, person.whole.lifetime.last or 0))
    odds = model.intercept + sum(reason.contribution for reason in reasons)
    return {"intercept": model.intercept, "log_odds": odds, "reasons": reasons}
