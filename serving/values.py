"""What an answer's value looks like, per use case: the check of stored values and the API's types."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lambda_arch.models import Models
from lambda_arch.records import UseCase


class Value(BaseModel):
    """A frozen value; what a newer writer adds is passed on."""

    model_config = ConfigDict(frozen=True, extra="allow")


class StoredTitles(Value):
    """What a stored recommend record holds: title ids, best first, and a score for each."""

    titles: list[str] = Field(min_length=1)
    scores: list[float]


class Item(Value):
    """One recommended title; name is null where the catalogue lacks it, score for what is merely popular."""

    title_id: str
    name: str | None
    score: float | None


class Recommendations(Value):
    """Titles, best first; empty only where no generation has been published."""

    items: list[Item]


class Segment(Value):
    """The user's segment; number is null only where no model is in service, distance for a default."""

    segment: int | None = Field(ge=0)
    name: str
    distance: float | None


class Churn(Value):
    """Probability of cancelling; null, as the cutoff is, only where no model is in service."""

    probability: float | None = Field(ge=0, le=1)
    at_risk: bool
    cutoff: float | None


class Sentiment(Value):
    """The share of positive posts with its 95 % interval, and how many posts there were."""

    positive: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    posts: int = Field(ge=0)


_STORED: dict[UseCase, type[Value]] = {
    "recommend": StoredTitles,
    "segment": Segment,
    "churn": Churn,
    "sentiment": Sentiment,
}


def is_valid(use_case: UseCase, value: dict[str, Any]) -> bool:
    """Whether a stored value has the shape of its use case."""
    try:
        _STORED[use_case].model_validate(value)
    except ValidationError:
        return False
    return True


def presented(use_case: UseCase, value: dict[str, Any], models: Models) -> dict[str, Any]:
    """A valid stored value as it goes out: titles with their names from the catalogue."""
    if use_case != "recommend":
        return value
    scored = zip_longest(value["titles"], value["scores"][: len(value["titles"])])
    items = [{"title_id": title, "name": models.name(title), "score": score} for title, score in scored]
    rest = {key: part for key, part in value.items() if key not in ("titles", "scores")}
    return {**rest, "items": items}
