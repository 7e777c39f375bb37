"""What an answer's value looks like, per use case: the check of stored values and the API's types."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lambda_arch.models import Models
from lambda_arch.records import UseCase

Direction = Literal["rising", "falling", "steady"]
Counted = tuple[int, int]


class Value(BaseModel):
    """A frozen value; what a newer writer adds is passed on."""

    model_config = ConfigDict(frozen=True, extra="allow")


class StoredNext(msgspec.Struct):
    """What a stored recommend record holds of the title watched last: ids of those that its viewers saw too."""

    after: str
    titles: list[str]


class StoredTitles(msgspec.Struct):
    """What a stored recommend record holds: title ids, best first, and a score for each."""

    titles: Annotated[list[str], msgspec.Meta(min_length=1)]
    scores: list[float]
    next: StoredNext | None = None


class Named(Value):
    """A title; name is null where the catalogue lacks it."""

    title_id: str
    name: str | None


class Because(Named):
    """A title of the history, and what it contributes to a score."""

    contribution: float


class Why(Value):
    """Why a title is in its place.

    `source` says whose list it is from: a layer's, `computed` (further down the same list), one of what is popular, the
    catalogue, or `pinned`. `places` are from 1, after each step: ranked, and where they apply diversity, repeats, pin;
    null: not among them yet. The contributions of the whole history and `popularity` add up to the score before its
    boost; the largest are shown.
    """

    source: str
    places: dict[str, int | None]
    boost: float
    because: list[Because]
    popularity: float | None


class Item(Named):
    """One recommended title; score is null for what is merely popular, `why` there where it was asked for."""

    score: float | None
    why: Why | None = None


class Removed(Value):
    """How many titles a rule removes of all, and which of those that would come first without any rule (at most 10)."""

    rule: str
    titles: int
    of_the_best: list[Named]


class Explanation(Value):
    """By which placement's rules, in which of their versions (0: there are none), and what they removed."""

    placement: str
    rules: int
    removed: list[Removed]


class Next(Value):
    """What to watch next: titles that viewers of the title watched last saw too, nearest first."""

    after: Named
    items: list[Named]


class NewItem(Named):
    """A title that came up since the night: its score is of those of `new` alone.

    Its vector is made of so many `viewers` since then and, where `content` is true, of what the catalogue says of it.
    """

    score: float
    viewers: int
    content: bool


class Recommendations(Value):
    """Titles, best first; next is null for the unknown, `explanation` and `new` there where they were asked for.

    Empty only where no generation has been published, or nothing in the catalogue may be shown.
    """

    items: list[Item]
    next: Next | None
    explanation: Explanation | None = None
    new: list[NewItem] | None = None


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


class Trend(Value):
    """By how much the share of positive posts moves in a week, with its 95 % interval; steady where that is unsure."""

    direction: Direction
    slope: float = Field(ge=-1, le=1)
    low: float
    high: float


class Pace(Value):
    """Posts of the newest day, how many are usual in as long a time, and the difference in standard errors."""

    direction: Direction
    posts: int = Field(ge=0)
    usual: float
    score: float


class Windows(Value):
    """(posts, positive ones) of the hour, day, week and 28 days that end with the newest post."""

    hour: Counted
    day: Counted
    week: Counted
    month: Counted


class Expected(Value):
    """The share of positive posts to expect, with its 95 % interval."""

    share: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class Forecast(Value):
    """What to expect a day and a week after the newest post."""

    day: Expected
    week: Expected


class Sentiment(Value):
    """The share of positive posts with its 95 % interval, and how many posts there were; all as of the newest of them.

    The rest is null where there was none, and in records of the release before; `trend` also while all posts are of one
    day, `pace` without a day of posts before the newest. `days` has (posts, positive ones) by UTC day, newest first.
    """

    positive: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    posts: int = Field(ge=0)
    windows: Windows | None = None
    days: list[Counted] | None = None
    trend: Trend | None = None
    forecast: Forecast | None = None
    pace: Pace | None = None


_SENT_AS_STORED: dict[UseCase, type[Value]] = {"segment": Segment, "churn": Churn, "sentiment": Sentiment}
# Of a list, which is by far the longest, msgspec's check takes a third of the time of pydantic's.
_CHECKS: dict[UseCase, Callable[[Any], object]] = {
    "recommend": partial(msgspec.convert, type=StoredTitles),
    **{use_case: kind.model_validate for use_case, kind in _SENT_AS_STORED.items()},
}


def is_valid(use_case: UseCase, value: dict[str, Any]) -> bool:
    """Whether a stored value has the shape of its use case."""
    try:
        _CHECKS[use_case](value)
    except (ValidationError, msgspec.ValidationError):
        return False
    return True


# What a record of the release before lacks is null.
_ABSENT = {
    use_case: {name: None for name, field in kind.model_fields.items() if not field.is_required()}
    for use_case, kind in _SENT_AS_STORED.items()
}


def presented(use_case: UseCase, value: dict[str, Any], models: Models, most: int | None = None) -> dict[str, Any]:
    """A valid stored value as it goes out: titles with their names from the catalogue, of a list `most` at the most."""
    if use_case != "recommend":
        return _ABSENT[use_case] | value
    titles = value["titles"][:most]
    scored = zip_longest(titles, map(models.names.get, titles), value["scores"][: len(titles)])
    items = [{"title_id": title, "name": name, "score": score} for title, name, score in scored]
    rest = {key: part for key, part in value.items() if key not in ("titles", "scores")}
    return {**rest, "items": items, "next": _next(value.get("next"), models)}


def _next(stored: dict[str, Any] | None, models: Models) -> dict[str, Any] | None:
    if stored is None:
        return None
    titles = stored["titles"]
    items = [
        {"title_id": title, "name": name} for title, name in zip(titles, map(models.names.get, titles), strict=True)
    ]
    return {"after": named(stored["after"], models), "items": items}


def named(title: str, models: Models) -> dict[str, Any]:
    """A title as it goes out."""
    return {"title_id": title, "name": models.name(title)}
