"""What an answer is made of: the parts that add up to a score, to log-odds, to a feeling."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from lambda_arch.models import ChurnModel, FeatureUse, SentimentModel
from lambda_arch.ranking import known_titles
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.search import Floats
from lambda_arch.text import hashed, tokens
from lambda_arch.tiles import MILLION, Profile, Seen


class Because(msgspec.Struct, frozen=True):
    """What of one title's score each title of the history contributes, the most first, and what popularity of late.

    All contributions and the crowd's add up to the score; contributions are rounded and those of 0 left out.
    """

    titles: list[tuple[str, float]]
    crowd: float


class Reason(msgspec.Struct, frozen=True):
    """What one feature adds to the log-odds of cancelling, by itself and against the usual customer.

    `usual` is the feature's median in training; it and `against_usual` are None where the model does not know it.
    """

    feature: str
    value: float
    contribution: float
    usual: float | None
    against_usual: float | None


class Word(msgspec.Struct, frozen=True):
    """What a token says for each class: its weight less the mean over the classes, so that they add up to 0."""

    word: str
    weights: dict[str, float]


def because(model: RecommendModel, history: Sequence[Seen], titles: Sequence[str]) -> dict[str, Because]:
    """What the history, newest first, contributes to the scores of titles that the model knows.

    Exact, as a score is linear in it (Hu, Koren, Volinsky 2008, section 5): with W = (YᵀY + Yᵤᵀ(Cᵤ-I)Yᵤ + λI)⁻¹ it is
    the sum over the history's titles j of (1 + confidence of j) * y_titleᵀ W y_j.
    """
    known, strengths = known_titles(model, history)
    asked = [title for title in titles if title in model.row]
    if not (known and asked):
        return {}
    rows = [model.row[title] for title in asked]
    weight = model.fold_in.alpha * model.fold_in.recency(len(known))
    confidence = weight * np.array(strengths, dtype=np.float64) / MILLION
    own = model.factors[known].astype(np.float64)
    system = model.regular(len(known)) + (own.T * confidence) @ own
    turned = np.linalg.solve(system, model.factors[rows].astype(np.float64).T)
    parts = (own @ turned) * (1 + confidence)[:, None]
    crowd = model.fold_in.crowd(len(known))
    return {
        title: Because(_largest(model, known, part), 0.0 if model.recent is None else crowd * float(model.recent[row]))
        for title, row, part in zip(asked, rows, parts.T, strict=True)
    }


def churn_reasons(model: ChurnModel, profile: Profile, now: int) -> list[Reason]:
    """What each feature adds to the log-odds, the strongest first; with the intercept they are the whole of it."""
    values = model.vector(profile, now)
    usual = [_median(use) for use in model.uses] or [None] * len(values)
    found = [
        _reason(name, float(value), float(coefficient), middle)
        for name, value, coefficient, middle in zip(model.features, values, model.coefficients, usual, strict=True)
    ]
    return sorted(found, key=lambda reason: -abs(_strength(reason)))


def words_of(model: SentimentModel, text: str) -> list[Word]:
    """What each token of a text that the model knows says, in order of appearance; tokens of one number together."""
    grams: dict[int, list[str]] = {}
    for gram in tokens(text):
        row = model.row.get(hashed(gram, model.buckets) if model.buckets else gram)
        if row is not None:
            grams.setdefault(row, []).append(gram)
    rows = list(grams)
    length = 1.0 if model.idf is None else float(np.linalg.norm(model.idf[rows])) or 1.0
    centred = _centred(model.weights[rows]) / length
    return [_word(model, " | ".join(grams[row]), part) for row, part in zip(rows, centred, strict=True)]


def strongest_words(model: SentimentModel, count: int) -> dict[str, list[Word]]:
    """For each class the tokens that say most for it; none of a model whose tokens are hashed: they have no names."""
    if model.buckets:
        return {}
    centred = _centred(model.weights)
    return {
        name: [_word(model, model.vocabulary[row], centred[row]) for row in np.argsort(-column, kind="stable")[:count]]
        for name, column in zip(model.classes, centred.T, strict=True)
    }


def _largest(model: RecommendModel, rows: Sequence[int], parts: Floats) -> list[tuple[str, float]]:
    order = np.argsort(-parts, kind="stable").tolist()
    named = [(model.titles[rows[place]], round(float(parts[place]), 6)) for place in order]
    return [(title, part) for title, part in named if part]


def _reason(feature: str, value: float, coefficient: float, usual: float | None) -> Reason:
    against = None if usual is None else coefficient * (value - usual)
    return Reason(feature, value, coefficient * value, usual, against)


def _strength(reason: Reason) -> float:
    return reason.contribution if reason.against_usual is None else reason.against_usual


def _median(use: FeatureUse) -> float | None:
    """The first edge up to which half of the values lie; None where the model kept no edges."""
    reached = np.cumsum(use.shares[: len(use.edges)]) >= 0.5
    return use.edges[int(reached.argmax())] if reached.any() else None


def _centred(weights: Floats) -> Floats:
    return np.asarray(weights - weights.mean(axis=1, keepdims=True))


def _word(model: SentimentModel, word: str, weights: Floats) -> Word:
    return Word(word, dict(zip(model.classes, np.round(weights, 6).tolist(), strict=True)))
