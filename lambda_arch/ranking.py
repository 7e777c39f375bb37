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

from lambda_arch.recommend_model import RecommendModel
from lambda_arch.search import Floats, Rows, Search
from lambda_arch.tiles import MILLION, Seen

_SOLVED_TOGETHER = 1 << 18  # numbers gathered at a time: two megabytes, which a core's cache holds
_RANKED_TOGETHER = 1024  # users
_SCORED_TOGETHER = 2048  # candidates: a megabyte gathered of each side


class Best(NamedTuple):
    """A user's best rows and their scores, best first."""

    rows: Rows
    scores: Floats


def fold_in_many(model: RecommendModel, histories: Sequence[Sequence[Seen]]) -> Floats:
    """The users' factors, float64 [users, rank], as `scoring.fold_in` defines them; NaN where nothing is known.

    Where the model has the popularity of late, a last column says what that weighs: the users' side of `model.traits`.
    """
    rank = model.factors.shape[1]
    known = [known_titles(model, history) for history in histories]
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


def best_rows(model: RecommendModel, users: Floats, seen: Sequence[Sequence[int] | Rows], count: int) -> list[Best]:
    """Each user's best `count` rows of the model that are not in `seen`; equal scores in the order of the rows."""
    best: list[Best] = []
    for piece in _pieces(len(users), _RANKED_TOGETHER):
        found = Search(model, users[piece], seen[piece], count).candidates()
        best += _ranked(model.traits, users[piece], found, count)
    return best


def known_titles(model: RecommendModel, history: Sequence[Seen]) -> tuple[list[int], list[int]]:
    """Rows and strengths of the titles that the model knows, newest first."""
    row = model.row
    known = [seen for seen in history if seen.strength and seen.title in row]
    return [row[seen.title] for seen in known], [seen.strength for seen in known]


def _by_titles(model: RecommendModel, rows: Rows, confidence: Floats) -> Floats:
    """Where titles are fewer than factors: x = A⁻¹Yᵤᵀw with (I + C Yᵤ A⁻¹ Yᵤᵀ) w = (I + C) 1 and A = YᵀY + λI.

    This solves the system of `_by_factors` (Woodbury's identity); `rows` and `confidence` are [users, titles].
    """
    own = model.factors[rows].astype(np.float64)
    turned = (own @ model.inverse(rows.shape[1])).transpose(0, 2, 1)
    system = confidence[:, :, None] * (own @ turned) + np.eye(rows.shape[1])
    return np.asarray((turned @ np.linalg.solve(system, (1 + confidence)[:, :, None]))[:, :, 0])


def _by_factors(model: RecommendModel, rows: Rows, confidence: Floats) -> Floats:
    """(A + Yᵤᵀ C Yᵤ) x = Yᵤᵀ (I + C) 1; `rows` and `confidence` are [users, titles]."""
    own = model.factors[rows].astype(np.float64)
    turned = own.transpose(0, 2, 1)
    system = model.regular(rows.shape[1]) + (turned * confidence[:, None, :]) @ own
    return np.asarray(np.linalg.solve(system, turned @ (1 + confidence)[:, :, None])[:, :, 0])


def _ranked(factors: NDArray[np.float32], users: Floats, found: tuple[Rows, Rows], count: int) -> list[Best]:
    user, row = found
    parts = [
        np.einsum("ij,ij->i", factors[row[piece]].astype(np.float64), users[user[piece]])
        for piece in _pieces(len(row), _SCORED_TOGETHER)
    ]
    scores = np.concatenate([np.zeros(0), *parts])
    order = np.lexsort((row, -scores, user))
    first = np.searchsorted(user[order], np.arange(len(users) + 1))
    places = [order[begin : min(end, begin + count)] for begin, end in pairwise(first)]
    return [Best(row[place], scores[place]) for place in places]


def _pieces(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(count, begin + size)) for begin in range(0, count, size))
