"""What is behind answers, as types: what OpenAPI documents of the explanations."""

from __future__ import annotations

from typing import Literal

from serving.replies import EntityReply, Reply
from serving.values import Because, Named


class LikeTitle(Named):
    """A title and how like it is, 1 being the same; null for what is merely popular."""

    likeness: float | None


class SimilarReply(Reply):
    """Titles like one title.

    `basis` says how `items` were found: taste (the cosine of factors), content (of a title without factors: the share
    of genres in common), popular (of a title that nobody knows). `watched_too`: those its viewers saw too.
    """

    title: Named
    basis: str
    items: list[LikeTitle]
    watched_too: list[Named]
    generation: int


class ExplainedTitle(Named):
    """What of the history contributes most to a title's score; all of it and `popularity` add up to the score."""

    because: list[Because]
    popularity: float


class HistoryTitle(Named):
    """A title of the history, when something was done with it last, and whether the night knew or it came since."""

    at: str
    known_by: Literal["batch", "speed"]


class ExplainedTitles(Reply):
    """How many titles the history has, its newest, and what each of the first recommended ones is there for."""

    history: int
    newest: list[HistoryTitle]
    titles: list[ExplainedTitle]


class Distance(Reply):
    """The distance to a segment's centre, in scaled features."""

    segment: int
    name: str
    distance: float


class ExplainedSegment(Reply):
    """The distances to all centres, nearest first."""

    distances: list[Distance]


class ChurnReason(Reply):
    """What a feature adds to the log-odds: by itself, and against the usual customer (the median in training)."""

    feature: str
    value: float
    contribution: float
    usual: float | None
    against_usual: float | None


class ExplainedChurn(Reply):
    """The log-odds of cancelling: the intercept and all contributions, the strongest first."""

    intercept: float
    log_odds: float
    reasons: list[ChurnReason]


class Explained(Reply):
    """What each answer is made of, by the profile of both layers; left out where there is nothing to say."""

    recommend: ExplainedTitles | None = None
    segment: ExplainedSegment | None = None
    churn: ExplainedChurn | None = None


class WordReply(Reply):
    """What a token says for each class: its weight less the mean over the classes."""

    word: str
    weights: dict[str, float]


class WordsReply(Reply):
    """The words of a text, in order of appearance, or of no text the strongest of each class."""

    text: list[WordReply] | None
    strongest: dict[str, list[WordReply]] | None


class UserExplanation(EntityReply):
    """Both layers' records and answers, their ages in seconds, what the answers are made of, and words of a feeling."""

    ages: dict[str, dict[str, float | None]]
    made_of: Explained
    words: WordsReply | None = None


class TitleExplanation(EntityReply):
    """The same of a title."""

    ages: dict[str, dict[str, float | None]]
    words: WordsReply | None
