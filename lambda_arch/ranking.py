"""The recommender's linear algebra for many users at once.

A user's answer does not depend on who else is asked about: each system is solved by itself, and the final scores
are float64 sums over one user and one title.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_arch.models import RecommendModel
from lambda_arch.tiles import MILLION, Seen

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_SOLVED_TOGETHER = 1 << 18  # numbers gathered at a time: two megabytes, which a core's cache holds
_SCORED_TOGETHER = 128  # users: their scores against 20,000 titles are ten megabytes
_DEPTH = 16  # titles per chunk
_LOWEST = np.finfo(np.float32).min


class Best(NamedTuple):
    """A user's best rows and their scores, best first."""

    rows: Rows
    scores: Floats


def fold_in_many(model: RecommendModel, histories: Sequence[Sequence[Seen]]) -> Floats:
    """The users' factors, float64 [users, rank], as `scoring.fold_in` defines them; NaN where nothing is known.

    Where the model has the popularity of late, a last column says what that weighs: the users' side of `model.traits`.
    """
    rank = model.factors.shape[1]
    known = [_known(model, history) for history in histories]
    by_length: dict[int, list[int]] = {}
    for user, (rows, _) in enumerate(known):
        by_length.setdefault(len(rows), []).append(user)
    by_length.pop(0, None)
    users = np.full((len(histories), model.traits.shape[1]), np.nan)
    for length, numbers in by_length.items():
        weight, solved = (
            model.fold_in.alpha * model.fold_in.recency(length),
            _by_titles if length < rank else _by_factors,
        )
        for piece in _pieces(len(numbers), max(1, _SOLVED_TOGETHER // (length * rank))):
            own = [known[user] for user in numbers[piece]]
            strengths = np.array([strength for _, strength in own], dtype=np.float64) / MILLION
            users[numbers[piece], :rank] = solved(model, np.array([rows for rows, _ in own]), weight * strengths)
        users[numbers, rank:] = model.fold_in.crowd(length)
    return users


def best_rows(model: RecommendModel, users: Floats, seen: Sequence[Sequence[int]], count: int) -> list[Best]:
    """Each user's best `count` rows of the model that are not in `seen`; equal scores in the order of the rows.

    Products in float32 only choose candidates: all that may be among the best, whatever the rounding, which moves a
    product by at most traits * 2**-24 * |title| * |user| (Higham 2002, section 3.1).
    """
    unsure = (model.traits.shape[1] + 2) * float(np.finfo(np.float32).eps) * model.longest
    # One buffer: fresh pages for every block would cost as much as the products.
    buffer = np.empty((min(len(users), _SCORED_TOGETHER), len(model.traits)), dtype=np.float32)
    best: list[Best] = []
    for piece in _pieces(len(users), _SCORED_TOGETHER):
        block, hidden = users[piece], seen[piece]
        scores = np.matmul(block.astype(np.float32), model.traits.T, out=buffer[: len(block)])
        columns = np.array([row for rows in hidden for row in rows], dtype=np.intp)
        scores[np.repeat(np.arange(len(block)), [len(rows) for rows in hidden]), columns] = -np.inf
        found = _candidates(scores, unsure * np.linalg.norm(block, axis=1), count)
        best += _ranked(model.traits, block, found, count)
    return best


def _known(model: RecommendModel, history: Sequence[Seen]) -> tuple[list[int], list[int]]:
    """Rows and strengths of the titles that the model knows, newest first."""
    row = model.row
    known = [seen for seen in history if seen.strength and seen.title in row]
    return [row[seen.title] for seen in known], [seen.strength for seen in known]


def _by_titles(model: RecommendModel, rows: Rows, confidence: Floats) -> Floats:
    """Where titles are fewer than factors: x = A⁻¹Yᵤᵀw with (I + C Yᵤ A⁻¹ Yᵤᵀ) w = (I + C) 1 and A = YᵀY + λI.

    This solves the system of `_by_factors` (Woodbury's identity); `rows` and `confidence` are [users, titles].
    """
    own = model.factors[rows].astype(np.float64)
    turned = (own @ np.linalg.inv(model.regular(rows.shape[1]))).transpose(0, 2, 1)
    system = confidence[:, :, None] * (own @ turned) + np.eye(rows.shape[1])
    return np.asarray((turned @ np.linalg.solve(system, (1 + confidence)[:, :, None]))[:, :, 0])


def _by_factors(model: RecommendModel, rows: Rows, confidence: Floats) -> Floats:
    """(A + Yᵤᵀ C Yᵤ) x = Yᵤᵀ (I + C) 1; `rows` and `confidence` are [users, titles]."""
    own = model.factors[rows].astype(np.float64)
    turned = own.transpose(0, 2, 1)
    system = model.regular(rows.shape[1]) + (turned * confidence[:, None, :]) @ own
    return np.asarray(np.linalg.solve(system, turned @ (1 + confidence)[:, :, None])[:, :, 0])


def _candidates(scores: NDArray[np.float32], unsure: Floats, count: int) -> tuple[Rows, Rows]:
    """(user, row) of all scores at most `unsure` below the user's `count`-th best; those at -inf are left out.

    The `count`-th best of the maxima of chunks of titles is a bound from below, and most chunks lie below it whole.
    """
    titles = scores.shape[1]
    depth = max(1, min(_DEPTH, titles // (4 * count)))
    width = titles // depth
    maxima = scores[:, : depth * width].reshape(len(scores), depth, width).max(axis=1)
    last = max(0, width - count)
    bound = np.maximum(np.partition(maxima, last, axis=1)[:, last] - unsure, _LOWEST).astype(np.float32)
    user, chunk = np.nonzero(maxima >= bound[:, None])
    members = scores[user[:, None], chunk[:, None] + width * np.arange(depth)]
    hit, place = np.nonzero(members >= bound[user][:, None])
    rest, column = np.nonzero(scores[:, depth * width :] >= bound[:, None])
    rows = np.concatenate((chunk[hit] + width * place, depth * width + column))
    return np.concatenate((user[hit], rest)), rows


def _ranked(factors: NDArray[np.float32], users: Floats, found: tuple[Rows, Rows], count: int) -> list[Best]:
    user, row = found
    scores = np.einsum("ij,ij->i", factors[row].astype(np.float64), users[user])
    order = np.lexsort((row, -scores, user))
    first = np.searchsorted(user[order], np.arange(len(users) + 1))
    places = [order[begin : min(end, begin + count)] for begin, end in pairwise(first)]
    return [Best(row[place], scores[place]) for place in places]


def _pieces(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(count, begin + size)) for begin in range(0, count, size))
