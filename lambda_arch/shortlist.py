"""One user's list under conditions: titles that are hidden, scores that are weighed, variety."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambda_arch.ranking import Best, best_rows
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.search import Floats, Rows

Flags = NDArray[np.bool_]


def shortlist(model: RecommendModel, user: Floats, hidden: Flags, weights: Floats, count: int) -> Best:
    """The best `count` rows of a user, float64 [traits], that are not hidden, by weighed scores, best first.

    `hidden` and `weights`, above 0, are [titles]. Exact: a weight keeps the order of those that share it, so that the
    best of each weight are searched for. Equal scores in the order of the rows.
    """
    found = [
        _of_weight(model, user, hidden | (weights != weight), float(weight), count)
        for weight in _distinct(weights[~hidden])
    ]
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *(best.rows for best in found)])
    scores = np.concatenate([np.zeros(0), *(best.scores for best in found)])
    order = np.lexsort((rows, -scores))[:count]
    return Best(rows[order], scores[order])


def weighed(scores: Floats, weights: Floats | float) -> Floats:
    """Scores times weights above 0; a negative score is divided, so that more weight is better for it too."""
    return np.where(scores >= 0, scores * weights, scores / weights)


def diversified(relevance: Floats, vectors: NDArray[np.floating], diversity: float, count: int) -> Rows:
    """Places of the `count` first by maximal marginal relevance (Carbonell, Goldstein 1998), float64 [k] and [k, d].

    Each next one has the greatest (1 - diversity) * relevance - diversity * similarity, the cosine to the nearest of
    those before it; of equals the first. At a diversity of 0 that is the order of relevance.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, np.finfo(np.float64).tiny)
    left = (1 - diversity) * relevance
    nearest = np.full(len(relevance), -np.inf)
    chosen: list[int] = []
    while len(chosen) < min(count, len(relevance)):
        place = int(np.argmax(left - diversity * nearest if chosen else left))
        chosen.append(place)
        left[place] = -np.inf
        nearest = np.maximum(nearest, unit @ unit[place])
    return np.array(chosen, dtype=np.intp)


def relevance(scores: Floats) -> Floats:
    """How relevant each of a list is, 1 to 0: by its score, or where some have none (NaN) by its place."""
    if len(scores) < 2 or np.isnan(scores).any():
        return 1 - np.arange(len(scores)) / max(1, len(scores))
    lowest, span = scores.min(), np.ptp(scores)
    return np.asarray((scores - lowest) / span) if span > 0 else np.ones(len(scores))


def _distinct(weights: Floats) -> Floats:
    """The different ones among the weights; mostly all are 1, which need not be sorted."""
    return weights[:1] if (weights == weights[:1]).all() else np.unique(weights)


def _of_weight(model: RecommendModel, user: Floats, hidden: Flags, weight: float, count: int) -> Best:
    [best] = best_rows(model, user[None, :], [np.flatnonzero(hidden)], count)
    return Best(best.rows, weighed(best.scores, weight))
