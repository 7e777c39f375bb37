"""What is behind answers: both layers' records, and what of a viewer's own doing adds up to them."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from audience_client.answers import Answer, Because, Fields, Named


class UseCaseLayers(TypedDict):
    """Both layers' records of one use case as they are stored, beside the answer made of them."""

    batch: Fields | None
    speed: Fields | None
    answer: Answer[Fields]


class Layers(TypedDict):
    """All use cases of one entity; `now` by the configured clock, `names` of the titles in the records by id."""

    entity: str
    now: str
    names: dict[str, str]
    use_cases: dict[str, UseCaseLayers]


class ExplainedTitle(Named):
    """What of the history contributes most to a title's score; all of it and `popularity` add up to the score."""

    because: list[Because]
    popularity: float


class HistoryTitle(Named):
    """A title of the history, when something was done with it last, and whether the night knew or it came since."""

    at: str
    known_by: Literal["batch", "speed"]


class ExplainedTitles(TypedDict):
    """How many titles the history has, its newest, and what each of the first recommended ones is there for."""

    history: int
    newest: list[HistoryTitle]
    titles: list[ExplainedTitle]


class Distance(TypedDict):
    """The distance to a segment's centre, in scaled features."""

    segment: int
    name: str
    distance: float


class ExplainedSegment(TypedDict):
    """The distances to all centres, nearest first."""

    distances: list[Distance]


class ChurnReason(TypedDict):
    """What a feature adds to the log-odds: by itself, and against the usual customer (the median in training)."""

    feature: str
    value: float
    contribution: float
    usual: float | None
    against_usual: float | None


class ExplainedChurn(TypedDict):
    """The log-odds of cancelling: the intercept and all contributions, the strongest first."""

    intercept: float
    log_odds: float
    reasons: list[ChurnReason]


class Explained(TypedDict):
    """What each answer is made of, by the profile of both layers; left out where there is nothing to say."""

    recommend: NotRequired[ExplainedTitles | None]
    segment: NotRequired[ExplainedSegment | None]
    churn: NotRequired[ExplainedChurn | None]


class Word(TypedDict):
    """What a token says for each class: its weight less the mean over the classes."""

    word: str
    weights: dict[str, float]


class Words(TypedDict):
    """The words of a text, in order of appearance, or of no text the strongest of each class."""

    text: list[Word] | None
    strongest: dict[str, list[Word]] | None


class UserExplanation(Layers):
    """Both layers' records and answers, their ages in seconds, what the answers are made of, and words of a feeling."""

    ages: dict[str, dict[str, float | None]]
    made_of: Explained
    words: NotRequired[Words | None]


class TitleExplanation(Layers):
    """The same of a title."""

    ages: dict[str, dict[str, float | None]]
    words: Words | None
