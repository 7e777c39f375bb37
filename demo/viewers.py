"""MovieLens: the first nine tenths of the ratings by time for the files, the last tenth for the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from demo.chance import smallest
from lambda_arch.clock import DAY, SECOND, rfc3339

TAIL_PARTS = 10
_ORDER = ["timestamp", "userId", "movieId"]
_COLUMNS = ["userId", "movieId", "rating", "timestamp"]


@dataclass(frozen=True)
class Ratings:
    """What is in the files and what is streamed, each in time order, and the horizon (microseconds) between them.

    A few streamed ratings lie before the horizon, on its last day: the stream has late events too.
    """

    horizon: int
    before: pd.DataFrame
    after: pd.DataFrame


def split(ratings: pd.DataFrame) -> Ratings:
    """The last tenth apart; the horizon is the first UTC midnight at or after its first rating."""
    ordered = ratings.sort_values(_ORDER)[_COLUMNS].reset_index(drop=True)
    cut = len(ordered) - len(ordered) // TAIL_PARTS
    horizon = midnight_at_or_after(int(ordered["timestamp"].iloc[cut]) * SECOND)
    return Ratings(horizon, ordered.iloc[:cut], ordered.iloc[cut:])


def midnight_at_or_after(moment: int) -> int:
    """The first UTC midnight that is not before the moment (microseconds)."""
    return -(-moment // DAY) * DAY


def few(ratings: Ratings, viewers: int, tail_viewers: int) -> Ratings:
    """The ratings of so many viewers, of whom `tail_viewers` have ratings after the horizon."""
    tail = ratings.after["userId"].astype(str).unique().tolist()
    others = [user for user in ratings.before["userId"].astype(str).unique().tolist() if user not in set(tail)]
    kept = {*smallest("tail", tail, tail_viewers), *smallest("viewer", others, viewers - tail_viewers)}
    before, after = (part[part["userId"].astype(str).isin(kept)] for part in (ratings.before, ratings.after))
    return Ratings(ratings.horizon, before, after)


def waves(after: pd.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of each viewer's first half (at least one rating) and of the rest."""
    first: list[dict[str, Any]] = []
    second: list[dict[str, Any]] = []
    for _, rows in after.sort_values(_ORDER).groupby("userId"):
        early, late = halves([rating_event(row) for row in rows.to_dict("records")])
        first.extend(early)
        second.extend(late)
    return first, second


def halves(items: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The first half, at least one, and the rest."""
    middle = max(1, len(items) // 2)
    return items[:middle], items[middle:]


def rating_event(row: dict[Any, Any]) -> dict[str, Any]:
    """A rating as an event of the contract."""
    user, title = str(row["userId"]), str(row["movieId"])
    return {
        "event_id": f"rating-{user}-{title}",
        "event_type": "rating",
        "user_id": user,
        "title_id": title,
        "event_time": rfc3339(int(row["timestamp"]) * SECOND),
        "value": float(row["rating"]),
    }


def watched(events: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Each viewer's titles in time order."""
    titles: dict[str, list[str]] = {}
    for event in sorted(events, key=lambda event: (event["event_time"], event["title_id"])):
        titles.setdefault(event["user_id"], []).append(event["title_id"])
    return titles
