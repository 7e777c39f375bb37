"""What is asked for and what is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

EventType = Literal[
    "view", "rating", "list_add", "search", "account", "support", "cancel", "impression", "ad_impression", "ad_click"
]


class LikeWish(TypedDict, total=False):
    """How many titles like another, which ones, and whose rules apply (`placement`)."""

    n: int
    offset: int
    include: Sequence[str]
    exclude: Sequence[str]
    genre: Sequence[str]
    max_rating: str
    country: str
    placement: str


class Wish(LikeWish, total=False):
    """The same of titles for somebody."""

    diversity: float
    seen: bool
    explain: bool
    new: int


class Calls(TypedDict, total=False):
    """From which probability on to call: a cutoff, or what both mistakes cost."""

    cutoff: float
    false_positive: float
    false_negative: float


class RiskWish(Calls, total=False):
    """Which part of the ranking: `cursor` as the page before gave it, or `offset`; of one segment or of all."""

    n: int
    offset: int
    cursor: str
    segment: int


class Watched(TypedDict):
    """A title of a session and how strongly it speaks for itself: 1 is watched to the end, or rated five stars."""

    title_id: str
    strength: NotRequired[float]


class Event(TypedDict):
    """What somebody did. `event_time`: RFC 3339 with a zone, or epoch milliseconds; the same id is the same event."""

    event_id: str
    event_type: EventType
    user_id: str
    event_time: str | int
    title_id: NotRequired[str]
    value: NotRequired[float]
    properties: NotRequired[Mapping[str, str]]


class Post(TypedDict):
    """What somebody wrote, about the title of an id or of a name."""

    post_id: str
    text: str
    event_time: str | int
    title_id: NotRequired[str]
    title: NotRequired[str]
    author_id: NotRequired[str]
    source: NotRequired[str]
    language: NotRequired[str]
