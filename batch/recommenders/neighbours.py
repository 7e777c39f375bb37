"""Titles that the same viewers saw: what a baseline lists, and what is next after the title just watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lambda_arch.recommend_model import RecommendModel

KEPT = 20  # neighbours of a title in a model: some are left of them for a viewer who saw others
VIEWERS = 50_000  # whom the neighbours are learnt from at the most: they cost the square of a history's length

_TOGETHER = 1_000  # titles: their similarities to 20,000 others are 80 megabytes
Array = NDArray[Any]


class Neighbours(NamedTuple):
    """Each title's others that are nearest, in the order of their rows, and the cosine similarities, [titles, count].

    Where there are fewer, others at a similarity of 0.
    """

    rows: Array
    similarities: Array


def with_neighbours(model: RecommendModel | None, seen: DataFrame) -> RecommendModel | None:
    """The model with the neighbours of each of its titles, by (user_id, title_id) of who saw what.

    A title that nobody saw, or nobody who saw another, has those whose factors point the same way: a new title's
    factors come from what the catalogue says of it.
    """
    if model is None:
        return None
    columns = seen.select(F.xxhash64("user_id").alias("user"), "title_id").toArrow()
    item = pc.index_in(columns["title_id"], pa.array(model.titles)).to_numpy()
    near = co_viewed(columns["user"].to_numpy(), item, len(model.titles), KEPT)
    alone = np.flatnonzero(~near.similarities.any(axis=1))
    near.rows[alone], near.similarities[alone] = _alike(model.factors, alone, KEPT)
    nearest_first = np.argsort(-near.similarities, axis=1, kind="stable")
    rows = np.where(near.similarities > 0, near.rows, -1)
    return msgspec.structs.replace(model, near=np.take_along_axis(rows, nearest_first, axis=1))


def co_viewed(viewer: Array, item: Array, titles: int, count: int) -> Neighbours:
    """The `count` nearest by the cosine of who saw a title; `viewer` saw the title of row `item`, once."""
    viewers, user = np.unique(viewer, return_inverse=True)
    kept = user < VIEWERS  # viewers are hashes: the first are drawn
    shape = (min(len(viewers), VIEWERS), titles)
    known = sp.csr_matrix((np.ones(kept.sum(), dtype=np.float32), (user[kept], item[kept])), shape=shape)
    across = known.T.tocsr()
    lengths = np.sqrt(np.maximum(np.asarray(known.sum(axis=0)).ravel(), 1))

    def cosines(rows: Array) -> Array:
        # Counts are exact in whatever order they are summed: a night run again has the same neighbours.
        together = (across[rows] @ known).toarray()
        return np.asarray(together / lengths[rows, None] / lengths)

    return _nearest(np.arange(titles), cosines, min(count, titles))


def _alike(factors: Array, titles: Array, count: int) -> Neighbours:
    """The `count` nearest of some titles by the cosine of factors."""
    unit = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return _nearest(titles, lambda rows: np.maximum(unit[rows] @ unit.T, 0), min(count, len(factors)))


def _nearest(titles: Array, similarities: Callable[[Array], Array], count: int) -> Neighbours:
    nearest, values = [np.zeros((0, count), np.int32)], [np.zeros((0, count), np.float32)]
    for begin in range(0, len(titles), _TOGETHER):
        rows = titles[begin : begin + _TOGETHER]
        block = similarities(rows)
        block[np.arange(len(rows)), rows] = 0
        best = np.sort(np.argpartition(-block, count - 1, axis=1)[:, :count], axis=1)
        nearest.append(best.astype(np.int32))
        values.append(np.take_along_axis(block, best, axis=1).astype(np.float32))
    return Neighbours(np.concatenate(nearest), np.concatenate(values))
