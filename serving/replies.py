"""The API's replies as types: what OpenAPI documents is what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

import msgspec
from fastapi import Response
from msgspec import structs
from pydantic import BaseModel, ConfigDict

from lambda_arch.clock import rfc3339
from lambda_arch.records import UseCase
from serving.answers import Answer, View
from serving.arbiter import Decision
from serving.values import Churn, Recommendations, Segment, Sentiment
from serving.words import sentence

V = TypeVar("V")


class Reply(BaseModel):
    """A frozen reply."""

    model_config = ConfigDict(frozen=True)


class MeasureReply(Reply):
    """A fidelity as the nightly backtest measured it (higher is better); `borrowed`: other lags it was pooled with."""

    value: float
    standard_error: float
    cases: int
    borrowed: list[str]


class RejectionReply(Reply):
    """A layer's record that could not answer, and why."""

    layer: Literal["batch", "speed"] | None
    reason: str


class SourceReply(Reply):
    """A layer's record that is part of a blend, and its weight in it."""

    layer: Literal["batch", "speed"]
    weight: float
    model: str
    model_version: int
    generation: int
    as_of: str
    evidence: int


class DecisionReply(Reply):
    """Why this layer answers: rule and policy, the lag, both fidelities, what was rejected, and all that in words."""

    layer: Literal["batch", "speed", "blend", "fallback"]
    rule: str
    policy: str
    lag: int | None
    bucket: str | None
    batch_fidelity: MeasureReply | None
    speed_fidelity: MeasureReply | None
    rejected: list[RejectionReply]
    blend_gain: MeasureReply | None
    sources: list[SourceReply]
    sentence: str


class AnswerReply(Reply, Generic[V]):
    """An answer with where it came from."""

    use_case: UseCase
    entity: str
    value: V
    layer: Literal["batch", "speed", "blend", "fallback"]
    model: str
    model_version: int
    as_of: str | None
    age_seconds: float | None
    generation: int
    evidence: int
    decision: DecisionReply


class LayersReply(Reply):
    """Both layers' records of one use case as they are stored, beside the answer made of them."""

    batch: dict[str, Any] | None
    speed: dict[str, Any] | None
    answer: AnswerReply[dict[str, Any]]


class EntityReply(Reply):
    """All use cases of one entity; `now` by the configured clock, `names` of the titles in the records by id."""

    entity: str
    now: str
    names: dict[str, str]
    use_cases: dict[str, LayersReply]


class AgreedReply(Reply):
    """How far a use case's answers agree, 1 for the same; `ahead`: left out, for speed knew more than the night."""

    metric: str
    value: float | None
    standard_error: float | None
    cases: int
    ahead: int


class AgreementReply(Reply):
    """The speed layer's last answers with generation `former` against the batch answers of the one that followed."""

    generation: int
    former: int
    use_cases: dict[str, AgreedReply]


class AgreementsReply(Reply):
    """Agreement by generation, the newest first."""

    generations: list[AgreementReply]


class StatusReply(Reply):
    """Alive or ready; `reasons` name what is missing and the remedy, `faults` what is wrong and does not prevent it."""

    status: str
    reasons: list[str] = []
    faults: list[str] = []


class SessionReply(Reply):
    """What somebody without an id gets; `known` is how many titles of the session the model knows."""

    value: Recommendations
    model: str
    model_version: int
    generation: int
    known: int


RecommendationsReply = AnswerReply[Recommendations]
SegmentReply = AnswerReply[Segment]
ChurnReply = AnswerReply[Churn]
SentimentReply = AnswerReply[Sentiment]


class Told(Decision, frozen=True, kw_only=True):
    """A decision as it goes out: with its sentence."""

    sentence: str


def told(answer: Answer, **changes: Any) -> Answer:
    """An answer with its decision in words, and with other changes."""
    return structs.replace(answer, decision=_in_words(answer.use_case, answer.decision), **changes)


# Decisions differ by lag and little else.
@lru_cache(4096)
def _in_words(use_case: UseCase, decision: Decision) -> Told:
    return Told(sentence=sentence(use_case, decision), **structs.asdict(decision))


class Encoded(Response):
    """JSON as bytes; its headers are put together here, which takes a third of the time that it takes Starlette."""

    def __init__(self, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.status_code, self.background, self.body = 200, None, body
        length = str(len(body)).encode()
        self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json"), *headers]


def sent(content: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> Response:
    """What msgspec encodes, as a response: what a route documents by `model`, it may send without pydantic's checks."""
    return Encoded(msgspec.json.encode(content), headers)


def fields(answer: Answer) -> dict[str, Any]:
    """An answer's fields with its decision in words."""
    built: dict[str, Any] = msgspec.to_builtins(told(answer))
    return built


def layers(view: View, answers: list[Answer]) -> EntityReply:
    """What was read of an entity, beside its answers."""
    told: dict[str, LayersReply] = {answer.use_case: _layers(view, answer) for answer in answers}
    return EntityReply(entity=view.entity, now=rfc3339(view.now), names=_names(view, told.values()), use_cases=told)


def _names(view: View, told: Iterable[LayersReply]) -> dict[str, str]:
    models = view.models()
    listed = [one for one in told if one.answer.use_case == "recommend"]
    records = [record for one in listed for record in (one.batch, one.speed) if record]
    titles = [title for record in records for title in _titles(record)]
    return {title: name for title in titles if (name := models.name(title)) is not None}


def _titles(record: dict[str, Any]) -> list[str]:
    """Of a record as it is stored, which may be unreadable."""
    value = record.get("value")
    titles = value.get("titles") if isinstance(value, dict) else None
    return [title for title in titles if isinstance(title, str)] if isinstance(titles, list) else []


def _layers(view: View, answer: Answer) -> LayersReply:
    batch, speed = (_raw(stored) for stored in view.stored[answer.use_case])
    return LayersReply(batch=batch, speed=speed, answer=AnswerReply[dict[str, Any]](**fields(answer)))


def _raw(stored: bytes | None) -> dict[str, Any] | None:
    try:
        record = json.loads(stored or b"null")
    except ValueError:
        return {"unreadable": (stored or b"").decode(errors="replace")}
    return record if record is None or isinstance(record, dict) else {"unreadable": record}
