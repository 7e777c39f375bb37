"""Review snippets, five folds by film (no film on both sides): the night's choice beside scikit-learn's best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from batch.feelings.lexicon import sentiment_baselines
from batch.feelings.selection import select_sentiment
from batch.feelings.sentiment import train_sentiment
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, at_most, reported
from lambda_arch.scoring import feeling
from lambda_arch.text import tokens

FOLDS = 5
ACCURACY, WITHIN = 0.775, 0.005
RIVALS: dict[str, Callable[[], Any]] = {
    "MultinomialNB": lambda: make_pipeline(_presence(), MultinomialNB()),
    "LogisticRegression": lambda: make_pipeline(
        _presence(), TfidfTransformer(), LogisticRegression(C=10, max_iter=300)
    ),
    "LinearSVC": lambda: make_pipeline(_presence(), TfidfTransformer(), LinearSVC(C=0.3)),
}


def rows(ground: Ground) -> list[Row]:
    """Share of posts told right; every fold chooses its classifier anew, on its own training part alone."""
    posts = _posts(ground.sources.reviews)
    right: dict[str, list[bool]] = {}
    chosen: list[str] = []
    for train, held in GroupKFold(FOLDS).split(posts, groups=posts["title_id"]):
        name, told = _night(ground, posts.iloc[train], posts.iloc[held])
        chosen.append(name)
        for who, said in {"chosen": told, **_others(posts.iloc[train], posts.iloc[held])}.items():
            right.setdefault(who, []).extend(posts["feeling"].iloc[held] == said)
    accuracy = {who: float(np.mean(found)) for who, found in right.items()}
    best = max(RIVALS, key=lambda name: accuracy[name])
    error = np.sqrt(accuracy["chosen"] * (1 - accuracy["chosen"]) / len(posts))
    cases = (
        f"{len(posts)} posts of {posts['title_id'].nunique()} films, ± {error:.3f}; {', '.join(dict.fromkeys(chosen))}"
    )
    return [
        at_least(ACCURACY, "sentiment: accuracy of the chosen classifier", [accuracy["chosen"]], "share", cases),
        at_most(WITHIN, "sentiment: below scikit-learn's best", [accuracy[best] - accuracy["chosen"]], "share", best),
        *(reported(f"sentiment: accuracy of {who}", [accuracy[who]], "share") for who in accuracy if who != "chosen"),
    ]


def _posts(reviews: pd.DataFrame) -> pd.DataFrame:
    known = reviews[reviews["category"].isin(["fresh", "rotten"]) & reviews["text"].notna()]
    feelings = known["category"].map({"fresh": "positive", "rotten": "negative"})
    posts = pd.DataFrame({"title_id": known["movie_name"], "text": known["text"], "feeling": feelings})
    return posts.assign(post_id=[f"p{number}" for number in range(len(posts))])


def _night(ground: Ground, train: pd.DataFrame, held: pd.DataFrame) -> tuple[str, list[str]]:
    """The algorithm that the night chooses on the training part, and what its model says of the held-out posts."""
    labelled = ground.spark.createDataFrame(train).persist()
    choice = select_sentiment(labelled, ground.config.batch.sentiment)
    model = train_sentiment(labelled, choice.chosen, 0)
    labelled.unpersist()
    if model is None:
        raise ValueError("the reviews should have both classes")
    return choice.chosen.algorithm, [feeling(model, text) for text in held["text"]]


def _others(train: pd.DataFrame, held: pd.DataFrame) -> dict[str, Any]:
    shares = train["feeling"].value_counts(normalize=True).to_dict()
    trained = {name: make().fit(train["text"], train["feeling"]) for name, make in RIVALS.items()}
    said = {name: model.predict(held["text"]) for name, model in trained.items()}
    return said | sentiment_baselines(shares, held["text"].tolist())


def _presence() -> CountVectorizer:
    return CountVectorizer(analyzer=tokens, min_df=2, binary=True)
