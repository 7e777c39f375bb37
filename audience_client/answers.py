"""Answers as they come: each with the layer that gave it, and why."""

from __future__ import annotations

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

V = TypeVar("V")
Fields = dict[str, Any]
UseCase = Literal["recommend", "segment", "churn", "sentiment"]
Layer = Literal["batch", "speed"]
AnsweredBy = Literal["batch", "speed", "blend", "fallback"]
Direction = Literal["rising", "falling", "steady"]


class Measure(TypedDict):
    """A fidelity as the nightly backtest measured it (higher is better); `borrowed`: other lags it was pooled with."""

    value: float
    standard_error: float
    cases: int
    borrowed: list[str]


class Rejection(TypedDict):
    """A layer's record that could not answer, and why."""

    layer: Layer | None
    reason: str


class Source(TypedDict):
    """A layer's record that is part of a blend, and its weight in it."""

    layer: Layer
    weight: float
    model: str
    model_version: int
    generation: int
    as_of: str
    evidence: int


class Decision(TypedDict):
    """Why this layer answers: rule and policy, the lag, both fidelities, what was rejected, and all that in words."""

    layer: AnsweredBy
    rule: str
    policy: str
    lag: int | None
    bucket: str | None
    batch_fidelity: Measure | None
    speed_fidelity: Measure | None
    rejected: list[Rejection]
    blend_gain: Measure | None
    sources: list[Source]
    sentence: str


class Answer(TypedDict, Generic[V]):
    """An answer with where it came from."""

    use_case: UseCase
    entity: str
    value: V
    layer: AnsweredBy
    model: str
    model_version: int
    as_of: str | None
    age_seconds: float | None
    generation: int
    evidence: int
    decision: Decision


class Named(TypedDict):
    """A title; name is null where the catalogue lacks it."""

    title_id: str
    name: str | None


class Because(Named):
    """A title of the history, and what it contributes to a score."""

    contribution: float


class Why(TypedDict):
    """Why a title is in its place: whose list it is from, its place after each step, what the score is made of."""

    source: str
    places: dict[str, int | None]
    boost: float
    because: list[Because]
    popularity: float | None


class Item(Named):
    """One recommended title; score is null for what is merely popular, `why` there where it was asked for."""

    score: float | None
    why: NotRequired[Why | None]


class Removed(TypedDict):
    """How many titles a rule removes of all, and which of those that would come first without any rule (at most 10)."""

    rule: str
    titles: int
    of_the_best: list[Named]


class Explanation(TypedDict):
    """By which placement's rules, in which of their versions (0: there are none), and what they removed."""

    placement: str
    rules: int
    removed: list[Removed]


class Next(TypedDict):
    """What to watch next: titles that viewers of the title watched last saw too, nearest first."""

    after: Named
    items: list[Named]


class NewItem(Named):
    """A title that came up since the night: its score, and by how many viewers, and whether by its content."""

    score: float
    viewers: int
    content: bool


class Recommendations(TypedDict):
    """Titles, best first; next is null for the unknown, `explanation` and `new` there where they were asked for."""

    items: list[Item]
    next: Next | None
    explanation: NotRequired[Explanation | None]
    new: NotRequired[list[NewItem] | None]


class Segment(TypedDict):
    """The user's segment; number is null only where no model is in service, distance for a default."""

    segment: int | None
    name: str
    distance: float | None


class Churn(TypedDict):
    """Probability of cancelling; null, as the cutoff is, only where no model is in service."""

    probability: float | None
    at_risk: bool
    cutoff: float | None


class Windows(TypedDict):
    """[posts, positive ones] of the hour, day, week and 28 days that end with the newest post."""

    hour: list[int]
    day: list[int]
    week: list[int]
    month: list[int]


class Trend(TypedDict):
    """By how much the share of positive posts moves in a week, with its 95 % interval; steady where that is unsure."""

    direction: Direction
    slope: float
    low: float
    high: float


class Expected(TypedDict):
    """The share of positive posts to expect, with its 95 % interval."""

    share: float
    low: float
    high: float


class Forecast(TypedDict):
    """What to expect a day and a week after the newest post."""

    day: Expected
    week: Expected


class Pace(TypedDict):
    """Posts of the newest day, how many are usual in as long a time, and the difference in standard errors."""

    direction: Direction
    posts: int
    usual: float
    score: float


class Sentiment(TypedDict):
    """The share of positive posts with its 95 % interval, and how many there were; the rest is null where unknown."""

    positive: float
    low: float
    high: float
    posts: int
    windows: NotRequired[Windows | None]
    days: NotRequired[list[list[int]] | None]
    trend: NotRequired[Trend | None]
    forecast: NotRequired[Forecast | None]
    pace: NotRequired[Pace | None]


class Session(TypedDict):
    """What somebody without an id gets; `known` is how many titles of the session the model knows."""

    value: Recommendations
    model: str
    model_version: int
    generation: int
    known: int


class Predictions(TypedDict):
    """An answer per user and use case, in the order in which they were asked for, then one per title."""

    answers: list[Answer[Fields]]
