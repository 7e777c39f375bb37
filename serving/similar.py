"""Titles that are like one title: by the taste of viewers, by who watched both, by what the catalogue says."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from lambda_arch.recommend_model import RecommendModel
from lambda_arch.search import Floats
from lambda_arch.shortlist import Flags
from serving.fallback import popular_chain
from serving.rules.filters import Terms, hidden, removals
from serving.rules.shelf import Shelf
from serving.values import named


class Similar(msgspec.Struct, frozen=True, kw_only=True):
    """Titles like one title; `watched_too` are those that its viewers saw too, nearest first.

    `basis` says how `items` were found: taste (the cosine of factors), content (of a title without factors: genres in
    common, Jaccard), popular (of a title that nobody knows: without likeness).
    """

    title: dict[str, Any]
    basis: str
    items: list[dict[str, Any]]
    watched_too: list[dict[str, Any]]
    generation: int


def similar(shelf: Shelf, asked: Terms, title: str, now: int) -> Similar:
    """The titles that may be shown and are most like one; `now` in microseconds."""
    forbidden = hidden(shelf, removals(shelf, asked, [title], now))
    basis, likeness = _likeness(shelf, title)
    rows = _most(likeness, forbidden, asked.wish.depth) if likeness is not None else _popular(shelf, forbidden)
    items = [
        {**named(shelf.titles[row], shelf.models), "likeness": _rounded(likeness, row)}
        for row in rows[asked.wish.offset : asked.wish.depth]
    ]
    model = shelf.models.recommend
    near = _near(model, title) if model else []
    return Similar(
        title=named(title, shelf.models), basis=basis, items=items, generation=shelf.models.generation,
        watched_too=[named(shelf.titles[row], shelf.models) for row in near if not forbidden[row]],
    )  # fmt: skip


def _likeness(shelf: Shelf, title: str) -> tuple[str, Floats | None]:
    """How like each title of the shelf is, and by what; None where nothing is known of the title."""
    row, model = shelf.row.get(title), shelf.models.recommend
    if row is None:
        return "popular", None
    if model is not None and row < shelf.ranked and shelf.lengths[row] > 0:
        lengths = np.maximum(shelf.lengths, np.finfo(np.float64).tiny)
        cosines = (model.factors @ model.factors[row]) / lengths / lengths[row]
        return "taste", np.concatenate((cosines, np.full(len(shelf) - shelf.ranked, -np.inf)))
    return "content", shelf.in_common(row)


def _most(likeness: Floats, forbidden: Flags, count: int) -> list[int]:
    """The rows of the greatest likeness, those of none left out; of equals in the order of the rows."""
    allowed = np.where(forbidden, -np.inf, likeness)
    cut = max(0, len(allowed) - count)
    least = np.partition(allowed, cut)[cut] if len(allowed) else 0.0
    rows = np.flatnonzero((allowed >= least) & (allowed > -np.inf))
    return [int(row) for row in rows[np.argsort(-allowed[rows], kind="stable")]]


def _popular(shelf: Shelf, forbidden: Flags) -> list[int]:
    titles = (title for titles in popular_chain(shelf.models, None).values() for title in titles)
    rows = dict.fromkeys([*shelf.of(titles).tolist(), *shelf.by_id.tolist()])
    return [row for row in rows if not forbidden[row]]


def _near(model: RecommendModel, title: str) -> list[int]:
    if model.near is None or title not in model.row:
        return []
    return [row for row in model.near[model.row[title]].tolist() if row >= 0]


def _rounded(likeness: Floats | None, row: int) -> float | None:
    return None if likeness is None else round(float(likeness[row]), 6)
