"""What a recommender must beat: popular titles, what is popular of late, and titles seen by the same viewers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.recommenders.als import HALF_LIFE_DAYS
from batch.recommenders.neighbours import co_viewed
from lambda_arch.clock import DAY
from lambda_arch.recommend_model import FoldIn
from lambda_arch.tiles import Seen

PERIODS = 64
NEIGHBOURS = 100
RECENCY = FoldIn(reg=0.0, alpha=1.0, floor=0.1, gain=3.0, memory=5.0)

Array = NDArray[Any]


class RecommendBaselines(msgspec.Struct, frozen=True, dict=True):
    """Lists that need no model.

    Rows of `titles`, best first: `popular` [titles], `recent` [periods, titles], what was popular of late at each
    period, which begins at `begins` (microseconds, [periods - 1]: the first has no beginning). `neighbours` and
    `similarities`: float32 [titles, neighbours], cosine.
    """

    titles: list[str]
    popular: Array
    begins: Array
    recent: Array
    neighbours: Array
    similarities: Array

    @cached_property
    def row(self) -> dict[str, int]:
        """Row of each title."""
        return {title: number for number, title in enumerate(self.titles)}

    def lists(self, history: Sequence[Seen], count: int) -> dict[str, list[str]]:
        """The best `count` titles not in the history (newest first), by the name of the baseline.

        What is recent is so at the newest event of the history; of nobody, at the end of what is known.
        """
        period = np.searchsorted(self.begins, history[0].time, side="right") if history else len(self.begins)
        seen = {self.row[entry.title] for entry in history if entry.title in self.row}
        ranked = {"popular": self.popular, "recently_popular": self.recent[period], "item_item": self._near(history)}
        return {name: self._unseen(rows, seen, count) for name, rows in ranked.items()}

    def _near(self, history: Sequence[Seen]) -> Array:
        """Rows that have a neighbour in the history, by the sum of their similarities; newer titles weigh more."""
        known = [(self.row[entry.title], entry.strength) for entry in history if entry.title in self.row]
        if not known:
            return np.array([], dtype=np.intp)
        rows, strengths = (np.array(values) for values in zip(*known, strict=True))
        weight = strengths * RECENCY.recency(len(rows))
        near, place = np.unique(self.neighbours[rows], return_inverse=True)
        scores = np.bincount(place.ravel(), weights=(weight[:, None] * self.similarities[rows]).ravel())
        return near[np.lexsort((near, -scores))][: np.count_nonzero(scores)]

    def _unseen(self, rows: Array, seen: set[int], count: int) -> list[str]:
        best = [row for row in rows[: len(seen) + count].tolist() if row not in seen]
        return [self.titles[row] for row in best[:count]]


def recommend_baselines(seen: DataFrame) -> RecommendBaselines | None:
    """The baselines of (user_id, title_id, time), unique per user and title; None where nobody has seen anything."""
    columns = seen.select(F.xxhash64("user_id").alias("user"), "title_id", "time").toArrow()
    if columns.num_rows == 0:
        return None
    titles, item = np.unique(_values(columns["title_id"]), return_inverse=True)
    viewer, time = (columns[name].to_numpy() for name in ("user", "time"))
    counts = np.bincount(item)
    begins, recent = _recent(item, time, len(titles))
    neighbours, similarities = co_viewed(viewer, item, len(titles), NEIGHBOURS)
    return RecommendBaselines(
        [str(title) for title in titles], _ranked(counts), begins, recent, neighbours, similarities
    )


def _values(column: pa.ChunkedArray) -> Array:
    values: Array = column.to_numpy().astype(str)
    return values


def _ranked(scores: Array) -> Array:
    """Rows by score, best first; equal scores in the order of the rows."""
    return np.lexsort((np.arange(len(scores)), -scores)).astype(np.int32)


def _recent(item: Array, time: Array, titles: int) -> tuple[Array, Array]:
    """Where periods of equally many events begin, and at the end of each the rows by decayed popularity."""
    order = np.lexsort((item, time))
    pieces = [piece for piece in np.array_split(order, PERIODS) if len(piece)]
    begins = np.array([time[piece[0]] for piece in pieces[1:]], dtype=np.int64)
    recent, scores, now = [], np.zeros(titles), time[order[0]]
    for piece in pieces:
        end = time[piece[-1]]
        fresh = np.bincount(item[piece], weights=_decay(end - time[piece]), minlength=titles)
        scores, now = scores * _decay(end - now) + fresh, end
        recent.append(_ranked(scores))
    return begins, np.array(recent)


def _decay(age: Array) -> Array:
    decay: Array = np.exp2(-age / (HALF_LIFE_DAYS * DAY))
    return decay
