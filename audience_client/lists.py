"""Lists of titles and of people."""

from __future__ import annotations

from typing import Literal, TypedDict

from audience_client.answers import Named

Heading = Literal["rising", "falling"]


class LikeTitle(Named):
    """A title and how like it is, 1 being the same; null for what is merely popular."""

    likeness: float | None


class Similar(TypedDict):
    """Titles like one title, found by `basis` (taste, content, popular), and those its viewers saw too."""

    title: Named
    basis: str
    items: list[LikeTitle]
    watched_too: list[Named]
    generation: int


class TrendingTitle(TypedDict):
    """A title out of its usual: posts of its last day, how many are usual, by how many standard errors they differ."""

    title_id: str
    name: str | None
    direction: Heading
    posts: int
    usual: float
    score: float
    as_of: str
    layer: str
    generation: int


class Trending(TypedDict):
    """Titles with a post since then: those that rise, then those that fall, the most unusual of each first."""

    since: str
    titles: list[TrendingTitle]


class Trait(TypedDict):
    """A feature's mean in a segment against everybody's, in the feature's own unit, and in words."""

    feature: str
    mean: float
    everybody: float
    words: str


class SegmentInfo(TypedDict):
    """A segment: its number, which it keeps from night to night; `members` by the night, and what sets it apart."""

    segment: int
    name: str
    members: int
    popular: list[str]
    traits: list[Trait]


class Segments(TypedDict):
    """The segments of a generation, of the model that was trained in `model_version`."""

    generation: int
    model: str
    model_version: int
    segments: list[SegmentInfo]


class Member(TypedDict):
    """A row of the file of a segment's members; distance is to its centre."""

    user_id: str
    layer: str
    as_of: str | None
    segment: int
    name: str
    distance: float | None


class AtRisk(TypedDict):
    """Somebody about to leave, as the layer says that answers."""

    user_id: str
    probability: float
    layer: str
    as_of: str | None


class AtRiskPage(TypedDict):
    """A page of the ranking, the likeliest first; `cursor` asks for the next, null where there is none."""

    generation: int
    cutoff: float
    items: list[AtRisk]
    cursor: str | None


class Point(TypedDict):
    """What calling everybody from the cutoff on gives; cost per customer, null where it is not known to be finite."""

    cutoff: float
    precision: float
    recall: float
    cost: float | None


class Curve(TypedDict):
    """The trade-off by cutoff, and the cutoff of the least cost; by customers that training had not seen."""

    generation: int
    model: str
    model_version: int
    base_rate: float
    cutoff: float
    points: list[Point]
