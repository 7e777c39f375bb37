"""Which classifier of feelings: candidates by cross-validation, no title on both sides, beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.feelings.classifiers import fitted, read_out, title_part
from batch.feelings.lexicon import sentiment_baselines
from batch.feelings.sentiment import class_shares, documents, nothing_to_learn
from batch.measures.classification import macro_f1
from batch.selection import Selection, Trial, best_first, side_by_side
from lambda_arch.models import SentimentModel
from lambda_arch.posts import FEELINGS
from lambda_arch.recipes import Sentiment
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import token_probabilities

Floats = NDArray[np.float64]
_FLOOR = 1e-15
_TOLD = pa.schema({"label": pa.float64(), "probabilities": pa.list_(pa.float64())})
_GUESSED = "feeling string, majority string, vader string"


class Told(NamedTuple):
    """Held-out posts: the number of each one's class [n], and what was said of it [n, classes]; seconds it took."""

    labels: NDArray[np.int64]
    probabilities: Floats
    seconds: float


def select_sentiment(labelled: DataFrame, settings: Sentiment) -> Selection[Sentiment]:
    """The candidate that tells most held-out posts right; of equals the first. Nothing is tried of one alone."""
    candidates, shares = settings.candidates(), class_shares(labelled)
    if reason := nothing_to_learn(shares):
        return Selection(candidates[0], reason=reason)
    folds = whole_folds(labelled, settings.folds, len(shares)) if len(candidates) > 1 else []
    if not folds:
        return Selection(candidates[0])
    trials = _trials(labelled, shares, candidates, folds)
    return best_first(candidates, trials, _baseline_trials(labelled, shares))


def whole_folds(labelled: DataFrame, folds: int, classes: int) -> list[Column]:
    """Whether a post is held out, by fold: every title in exactly one.

    A fold without posts is left out, and one without which a class would be missing.
    """
    fold = title_part("folds", folds)
    known = labelled.where(F.col("feeling").isin(*FEELINGS)).select(fold.alias("fold"), "feeling")
    counts = {(row.fold, row.feeling) for row in known.distinct().collect()}
    return [
        fold == number
        for number in sorted({number for number, _ in counts})
        if len({feeling for other, feeling in counts if other != number}) == classes
    ]


def measures(labels: NDArray[np.int64], said: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, and the mean of the classes' F1."""
    return {"accuracy": round(float((labels == said).mean()), 6), "macro_f1": round(macro_f1(said, labels), 6)}


def _trials(
    labelled: DataFrame, shares: Mapping[str, float], candidates: Sequence[Sentiment], folds: Sequence[Column]
) -> list[Trial]:
    tokenised = {buckets: documents(labelled, shares, buckets).persist() for buckets in {c.buckets for c in candidates}}
    for frame in tokenised.values():
        frame.count()  # before the threads: each would fill the cache
    rounds = [(candidate, fold) for candidate in candidates for fold in folds]
    try:
        told = side_by_side(labelled.sparkSession, lambda at: _told(tokenised[at[0].buckets], shares, *at), rounds)
    finally:
        for frame in tokenised.values():
            frame.unpersist()
    of_candidate = [told[start : start + len(folds)] for start in range(0, len(told), len(folds))]
    return [_trial(candidate, found) for candidate, found in zip(candidates, of_candidate, strict=True)]


def _told(frame: DataFrame, shares: Mapping[str, float], candidate: Sentiment, held: Column) -> Told:
    begun = time.monotonic()
    model = read_out(fitted(frame.where(~held), len(shares), candidate), candidate, shares, 0)
    rows = frame.where(held).mapInArrow(_probabilities(model), "label double, probabilities array<double>").toArrow()
    labels = rows["label"].to_numpy().astype(np.int64)
    probabilities = np.array(rows["probabilities"].to_pylist(), dtype=np.float64).reshape(len(labels), len(shares))
    return Told(labels, probabilities, time.monotonic() - begun)


def _probabilities(model: SentimentModel) -> ArrowFunction:
    def told(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            said = [token_probabilities(model, found) for found in batch.column("tokens").to_pylist()]
            yield pa.RecordBatch.from_arrays(
                [batch.column("label"), pa.array(said, _TOLD.field("probabilities").type)], schema=_TOLD
            )

    return told


def _trial(candidate: Sentiment, folds: Sequence[Told]) -> Trial:
    labels = np.concatenate([fold.labels for fold in folds])
    probabilities = np.concatenate([fold.probabilities for fold in folds])
    given = probabilities[np.arange(len(labels)), labels]
    metrics = measures(labels, probabilities.argmax(axis=1))
    metrics["minus_log_loss"] = round(float(np.log(np.maximum(given, _FLOOR)).mean()), 6)
    tried = {"min_count": candidate.min_count, "buckets": candidate.buckets, **candidate.learner.model_dump()}
    seconds = round(sum(fold.seconds for fold in folds), 2)
    return Trial(candidate.algorithm, tried, metrics, _error(metrics["accuracy"], len(labels)), seconds)


def _baseline_trials(labelled: DataFrame, shares: Mapping[str, float]) -> list[Trial]:
    begun = time.monotonic()
    known = labelled.where(F.col("feeling").isin(*shares)).select("feeling", "text")
    guessed = known.mapInArrow(_guesses(shares), _GUESSED).toArrow()
    seconds = round(time.monotonic() - begun, 2)
    number = {feeling: place for place, feeling in enumerate(shares)}
    told = {name: np.array([number[feeling] for feeling in guessed[name].to_pylist()]) for name in _GUESSES.names}
    labels, trials = told["feeling"], []
    for name in ("vader", "majority"):
        metrics = measures(labels, told[name])
        trials.append(Trial(name, {}, metrics, _error(metrics["accuracy"], len(labels)), seconds))
    return trials


def _guesses(shares: Mapping[str, float]) -> ArrowFunction:
    def guesses(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            guessed = sentiment_baselines(shares, batch.column("text").to_pylist())
            columns = {"feeling": batch.column("feeling").to_pylist(), **guessed}
            yield pa.RecordBatch.from_pydict(columns, schema=_GUESSES)

    return guesses


def _error(share: float, posts: int) -> float:
    """Of a share of posts."""
    return round(float(np.sqrt(share * (1 - share) / posts)), 6)


_GUESSES = pa.schema([(name, pa.string()) for name in ("feeling", "majority", "vader")])
