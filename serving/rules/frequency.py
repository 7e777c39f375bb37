"""The frequency cap of a placement: which titles a viewer was shown too often, and what an answer adds to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from lambda_arch.exposures import Exposure, Shown, lapsed, times_shown
from lambda_arch.tiles import Seen
from serving.rules.book import Book
from serving.rules.filters import Terms


def capped(asked: Terms, found: Sequence[Shown], history: Sequence[Seen], now: int) -> Terms:
    """The terms with the titles that the viewer was shown too often; as they are where the placement has no cap."""
    cap = asked.placement.frequency_cap
    if cap is None:
        return asked
    seen: dict[str, int] = {}
    for entry in history:
        seen[entry.title] = max(entry.time, seen.get(entry.title, 0))
    counts = times_shown(found, now, cap.days, seen)
    return structs.replace(asked, worn=frozenset(title for title, times in counts.items() if times >= cap.times))


def exposure(
    asked: Terms, book: Book, user_id: str, value: Mapping[str, Any], found: Sequence[Shown], now: int
) -> Exposure | None:
    """What is to be counted of an answer: nothing where the placement has no cap, or somebody asks for reasons."""
    if asked.placement.frequency_cap is None or asked.wish.explain:
        return None
    titles = [item["title_id"] for item in (*value["items"], *value.get("new", ()))]
    return Exposure(user_id, titles, now, book.longest_cap, lapsed(found, now, book.longest_cap))
