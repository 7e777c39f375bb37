"""Posts scored on one core, as the stream scores each, beside scikit-learn's HashingVectorizer and MultinomialNB.

The same review snippets and features of the same kind: presence of single words and pairs. The stream asks for one text
after the other; scikit-learn is asked so too, and for as many at once as a scorer takes. Left out on either side:
training, and where texts come from and probabilities go to; ours marks negated words and makes the post's tile on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from batch.feelings.sentiment import train_sentiment
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from benchmarks.timing import in_turns, ratios
from lambda_arch.models import SentimentModel
from lambda_arch.recipes import Algorithm
from lambda_arch.scoring import post_tile

TEXTS, ONE_BY_ONE, ROUNDS = 10_000, 500, 5


def rows(ground: Ground) -> list[Row]:
    """Texts a second of all, and how many times theirs is ours."""
    posts = _posts(ground.sources.reviews)
    texts, batch = posts["text"].tolist()[:TEXTS], ground.config.speed.scorer_batch
    bayes, weighed = (_ours(ground, posts, algorithm) for algorithm in ("naive_bayes", "logistic_regression"))
    pairs = _theirs(posts, ngram_range=(1, 2), norm=None, binary=True)
    words = _theirs(posts)
    with threadpool_limits(1):
        ours, tf_idf, alone, together, single = in_turns(
            ROUNDS,
            lambda: _each(bayes, texts),
            lambda: _each(weighed, texts),
            lambda: _in_batches(pairs, texts[:ONE_BY_ONE], 1),
            lambda: _in_batches(pairs, texts, batch),
            lambda: _in_batches(words, texts, batch),
        )
    counted_up = [seconds * len(texts) / ONE_BY_ONE for seconds in alone]
    return [
        at_least(1, "texts scored", ratios(counted_up, ours), "times", "scikit-learn, one text at a time"),
        at_least(1, "texts scored", ratios(together, ours), "times", f"scikit-learn, {batch} texts at once"),
        reported("texts scored", ratios(single, ours), "times", f"scikit-learn, {batch} at once, single words alone"),
        *_speeds("texts scored", len(texts), {
            "ours, naive_bayes": ours, "ours, logistic_regression with tf-idf": tf_idf,
            "scikit-learn, one text at a time": counted_up, f"scikit-learn, {batch} texts at once": together,
            f"scikit-learn, {batch} at once, single words alone": single,
        }),
    ]  # fmt: skip


def _speeds(name: str, count: int, taken: dict[str, Sequence[float]]) -> list[Row]:
    return [reported(name, [count / each for each in seconds], "texts/s", who) for who, seconds in taken.items()]


def _posts(reviews: pd.DataFrame) -> pd.DataFrame:
    """Labelled posts in the form that a night learns from."""
    known = reviews[reviews["category"].isin(["fresh", "rotten"]) & reviews["text"].notna()]
    feelings = known["category"].map({"fresh": "positive", "rotten": "negative"})
    posts = pd.DataFrame({"title_id": known["movie_name"], "text": known["text"], "feeling": feelings})
    return posts.assign(post_id=[f"p{number}" for number in range(len(posts))])


def _ours(ground: Ground, posts: pd.DataFrame, algorithm: Algorithm) -> SentimentModel:
    settings = ground.config.batch.sentiment.model_copy(update={"algorithm": algorithm})
    model = train_sentiment(ground.spark.createDataFrame(posts), settings, 0)
    if model is None:
        raise ValueError("the reviews should have both classes")
    return model


def _theirs(posts: pd.DataFrame, **features: Any) -> Any:
    # Naive Bayes takes no negative counts, which the vectorizer has by default.
    hashed = HashingVectorizer(alternate_sign=False, **features)
    return make_pipeline(hashed, MultinomialNB()).fit(posts["text"], posts["feeling"])


def _each(model: SentimentModel, texts: Sequence[str]) -> None:
    for text in texts:
        post_tile(model, 0, text)


def _in_batches(model: Any, texts: Sequence[str], batch: int) -> list[np.ndarray[Any, Any]]:
    return [model.predict_proba(texts[begin : begin + batch]) for begin in range(0, len(texts), batch)]
