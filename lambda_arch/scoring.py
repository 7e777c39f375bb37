"""Numeric cores in plain numpy: the same functions score at night, in the backtest, in the stream and on request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lambda_arch.models import ChurnModel, SegmentModel, SentimentModel
from lambda_arch.posts import POSITIVE, PostTile, unit_post_tile
from lambda_arch.ranking import best_rows, fold_in_many
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.text import tokens
from lambda_arch.tiles import Profile, Seen

Z95 = 1.959964


def fold_in(model: RecommendModel, history: Sequence[Seen]) -> NDArray[np.float64] | None:
    """The user's factors, float64 [rank], solved exactly for the item factors as they are.

    Implicit feedback (Hu, Koren, Volinsky 2008): (YᵀY + Yᵤᵀ(Cᵤ-I)Yᵤ + λI) x = YᵤᵀCᵤ1 with Cᵤ = 1 + αw, where a
    title's weight w is its strength times its recency, and λ is less for few titles (models.FoldIn). `history` is
    newest first. None where the model knows none of its titles.
    """
    user = fold_in_many(model, [history])[0]
    return None if np.isnan(user[0]) else user[: model.factors.shape[1]]


def top_titles(model: RecommendModel, history: Sequence[Seen], count: int) -> list[tuple[str, float]]:
    """The best `count` titles not in the history with their scores, best first; empty for the unknown.

    A score is the user's factors times the title's, and of users with few titles also what is popular of late.
    Equal scores come in the model's order, at the cut too.
    """
    return top_titles_many(model, [history], count)[0]


def top_titles_many(
    model: RecommendModel, histories: Sequence[Sequence[Seen]], count: int
) -> list[list[tuple[str, float]]]:
    """The `top_titles` of each history, much faster than one by one: the night and the backtest ask for blocks."""
    users = fold_in_many(model, histories)
    known = np.flatnonzero(~np.isnan(users[:, 0])).tolist()
    seen = [[model.row[entry.title] for entry in histories[user] if entry.title in model.row] for user in known]
    found: list[list[tuple[str, float]]] = [[] for _ in histories]
    for user, best in zip(known, best_rows(model, users[known], seen, count), strict=True):
        titles = [model.titles[row] for row in best.rows.tolist()]
        found[user] = list(zip(titles, best.scores.round(6).tolist(), strict=True))
    return found


def watch_next(model: RecommendModel, history: Sequence[Seen], count: int) -> tuple[str, list[str]] | None:
    """The title watched last and at most `count` that its viewers saw too, nearest first, without the history's.

    `history` is newest first; a title without neighbours that are left gives way to the one before it. None where
    there is none.
    """
    if model.near is None:
        return None
    seen = {entry.title for entry in history}
    for entry in history:
        rows = model.near[model.row[entry.title]].tolist() if entry.title in model.row else []
        titles = [title for row in rows if row >= 0 and (title := model.titles[row]) not in seen]
        if titles:
            return entry.title, titles[:count]
    return None


def churn_probability(model: ChurnModel, profile: Profile, now: int) -> float:
    """Probability that the customer cancels within the model's window."""
    return sigmoid(float(model.coefficients @ model.vector(profile, now)) + model.intercept)


def centre_distances(model: SegmentModel, profile: Profile, now: int) -> NDArray[np.float64]:
    """The distance to each centre, in scaled features, float64 [k]."""
    scaled = (model.vector(profile, now) - model.mean) / model.scale
    return np.asarray(np.linalg.norm(model.centres - scaled, axis=1), dtype=np.float64)


def nearest_segment(model: SegmentModel, profile: Profile, now: int) -> tuple[int, float]:
    """The number of the segment with the nearest centre, and the distance to it, in scaled features."""
    distances = centre_distances(model, profile, now)
    return model.numbers[int(distances.argmin())], float(distances.min())


def silhouette(model: SegmentModel, profile: Profile, now: int) -> float:
    """How much nearer the nearest centre is than the next, 0 to 1 (simplified silhouette: Hruschka et al. 2004)."""
    nearest, following = [*np.sort(centre_distances(model, profile, now)), np.inf][:2]
    return float(1 - nearest / following) if following > 0 else 0.0


def feeling_probabilities(model: SentimentModel, text: str) -> NDArray[np.float64]:
    """Probability of each of the model's classes, float64 [classes]."""
    return token_probabilities(model, tokens(text, model.buckets))


def token_probabilities(model: SentimentModel, found: Iterable[str]) -> NDArray[np.float64]:
    """The same of a text's tokens."""
    known = model.row
    rows = [known[token] for token in found if token in known]
    # Numpy's functions, for a text's few numbers, by the shortest way: the usual ones take half as long again.
    scores = np.add.reduce(model.weights.take(rows, axis=0), axis=0)
    if model.idf is not None:
        # A token that every post has weighs nothing: a text of such alone has no length.
        scores /= np.linalg.norm(model.idf[rows]) or 1.0
    return softmax(model.prior + scores)


def feeling(model: SentimentModel, text: str) -> str:
    """The most probable class; of equals the first."""
    return model.classes[int(feeling_probabilities(model, text).argmax())]


def post_tile(model: SentimentModel | None, event_time: int, text: str) -> PostTile:
    """The tile of one post: positive where that is the most probable of what it can feel; undecided without a model."""
    if model is None or POSITIVE not in model.classes:
        return unit_post_tile(event_time, positive=False, probability=0.5)
    probabilities, positive = feeling_probabilities(model, text), model.classes.index(POSITIVE)
    return unit_post_tile(event_time, int(probabilities.argmax()) == positive, float(probabilities[positive]))


def wilson(positive: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); (0, 1) for no observation."""
    if total == 0:
        return 0.0, 1.0
    share, spread = positive / total, Z95**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = Z95 * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exponentials as shares of their sum along the last axis, without overflow."""
    powers = np.exp(scores - np.maximum.reduce(scores, axis=-1, keepdims=True))
    return np.asarray(powers / np.add.reduce(powers, axis=-1, keepdims=True), dtype=np.float64)


def sigmoid(log_odds: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))
