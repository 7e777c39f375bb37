"""The classifiers of feelings: stored models say what Spark says; candidates are compared on titles never seen."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from batch.feelings.classifiers import fitted, read_out
from batch.feelings.lexicon import sentiment_baselines
from batch.feelings.selection import select_sentiment, whole_folds
from batch.feelings.sentiment import class_shares, documents, train_sentiment
from lambda_arch.config import Config
from lambda_arch.recipes import Sentiment
from lambda_arch.scoring import feeling, feeling_probabilities

pytestmark = pytest.mark.spark
LABELLED = "post_id string, title_id string, text string, feeling string"
TELLING = {
    "positive": ("wonderful", "moving", "brilliant", "superb"),
    "neutral": ("announced", "released", "scheduled", "distributed"),
    "negative": ("dreadful", "boring", "clumsy", "awful"),
}
FILLER = ("film", "the", "plot", "scene", "it", "not", "was", "cast", "with", "ending")
Row = tuple[str, str, str, str]


def planted(feelings: tuple[str, ...], count: int = 120) -> list[Row]:
    """Posts of twenty titles whose words give their feeling away more often than not."""
    rng = random.Random(7)
    rows = []
    for number in range(count):
        felt = feelings[number % len(feelings)]
        told = felt if rng.random() < 0.85 else rng.choice(feelings)
        words = [*rng.sample(FILLER, 5), *rng.sample(TELLING[told], 2)]
        rng.shuffle(words)
        rows.append((f"p{number:03}", f"t{rng.randrange(20)}", " ".join(words), felt))
    return rows


TWO, THREE = planted(("negative", "positive")), planted(("negative", "neutral", "positive"))


def recipe(config: Config, algorithm: str = "naive_bayes", **learner: Any) -> Sentiment:
    settings = config.batch.sentiment.model_dump()
    # Each iteration is a Spark job, and a few tell planted words apart.
    few = {} if algorithm == "naive_bayes" else {"iterations": 8}
    own = {**settings[algorithm], **few, **learner}
    return Sentiment.model_validate({**settings, "algorithm": algorithm, algorithm: own, "grid": {}})


def labelled(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return spark.createDataFrame(rows, LABELLED)


@pytest.mark.parametrize("rows", [TWO, THREE], ids=["two classes", "three classes"])
@pytest.mark.parametrize(
    "weighing", [(False, False), (True, False), (True, True)], ids=["presence", "idf", "tf-idf of length 1"]
)
@pytest.mark.parametrize("algorithm", ["naive_bayes", "logistic_regression", "linear_svc"])
def test_the_stored_model_says_what_sparks_pipeline_says(
    spark: SparkSession, config: Config, algorithm: str, weighing: tuple[bool, bool], rows: list[Row]
) -> None:
    settings = recipe(config, algorithm, idf=weighing[0], normalised=weighing[1])
    posts = labelled(spark, rows)
    shares = class_shares(posts)
    found = documents(posts, shares, 0)
    pipeline = fitted(found, len(shares), settings)
    told = {row.post_id: row.probability.toArray() for row in pipeline.transform(found).collect()}
    model = read_out(pipeline, settings, shares, 1)
    ours = {post: feeling_probabilities(model, text) for post, _, text, _ in rows}
    assert np.array([ours[post] for post in told]) == pytest.approx(np.array(list(told.values())), abs=1e-9)
    right = np.mean([feeling(model, text) == felt for _, _, text, felt in rows])
    assert right > 0.75


def test_a_hashed_vocabulary_is_no_longer_than_its_buckets(spark: SparkSession, config: Config) -> None:
    model = train_sentiment(labelled(spark, TWO), recipe(config).model_copy(update={"buckets": 64}), 1)
    assert model is not None
    assert 8 < len(model.vocabulary) <= 64
    assert feeling(model, "wonderful brilliant superb moving") == "positive"


def test_no_title_is_in_two_folds_and_every_post_is_held_out_once(spark: SparkSession) -> None:
    posts = labelled(spark, TWO)
    held = [{(row.post_id, row.title_id) for row in posts.where(fold).collect()} for fold in whole_folds(posts, 3, 2)]
    titles = [{title for _, title in fold} for fold in held]
    assert sum(len(fold) for fold in held) == len(TWO)
    assert [len(fold) > 0 for fold in titles] == [True] * 3
    assert sum(len(fold) for fold in titles) == len(set().union(*titles))


def test_without_a_fold_that_leaves_both_classes_nothing_is_tried(spark: SparkSession, config: Config) -> None:
    one_title = [(post, "t", text, felt) for post, _, text, felt in TWO]
    selection = select_sentiment(labelled(spark, one_title), config.batch.sentiment)
    assert (selection.chosen.algorithm, selection.trials, selection.reason) == ("naive_bayes", (), None)


def test_candidates_are_ranked_by_accuracy_beside_the_baselines_and_again_the_same(
    spark: SparkSession, config: Config
) -> None:
    settings = config.batch.sentiment.model_copy(
        update={"folds": 2, "grid": {"algorithm": ("logistic_regression", "naive_bayes")}}
    )
    first, again = (select_sentiment(labelled(spark, rows), settings) for rows in (TWO, TWO[::-1]))
    tried, baselines = first.trials[:2], first.trials[2:]
    assert {trial.name for trial in tried} == {"naive_bayes", "logistic_regression"}
    assert first.chosen.algorithm == tried[0].name
    assert tried[0].metrics["accuracy"] >= tried[1].metrics["accuracy"] > 0.75
    assert list(tried[0].metrics) == ["accuracy", "macro_f1", "minus_log_loss"]
    assert [trial.name for trial in baselines] == ["vader", "majority"]
    assert baselines[1].metrics["accuracy"] == 0.5
    assert 0.5 < baselines[0].metrics["accuracy"] < tried[0].metrics["accuracy"]
    assert [trial.metrics for trial in first.trials] == [trial.metrics for trial in again.trials]


@pytest.mark.parametrize("algorithm", ["logistic_regression", "linear_svc"])
def test_training_again_gives_the_same_weights_bit_for_bit(spark: SparkSession, config: Config, algorithm: str) -> None:
    first, again = (train_sentiment(labelled(spark, rows), recipe(config, algorithm), 1) for rows in (TWO, TWO[::-1]))
    assert first is not None
    assert again is not None
    assert first.weights.tobytes() == again.weights.tobytes()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        pytest.param([], "no post is labelled", id="no label"),
        pytest.param([row for row in TWO if row[3] == "positive"], "all labelled posts are positive", id="one class"),
        pytest.param(
            [row for row in THREE if row[3] != "positive"], "no labelled post is positive", id="none positive"
        ),
    ],
)
def test_where_there_is_nothing_to_learn_there_is_a_reason_and_no_model(
    spark: SparkSession, config: Config, rows: list[Row], reason: str
) -> None:
    posts = labelled(spark, rows)
    selection = select_sentiment(posts, config.batch.sentiment)
    assert (selection.trials, (selection.reason or "").startswith(reason)) == ((), True)
    assert train_sentiment(posts, recipe(config), 1) is None


def test_the_lexicon_reads_feelings_and_leaves_the_rest_to_the_usual_class() -> None:
    texts = ["a wonderful, brilliant film", "dreadful and boring", "a film"]
    two = sentiment_baselines({"negative": 0.6, "positive": 0.4}, texts)
    assert two == {"majority": ["negative"] * 3, "vader": ["positive", "negative", "negative"]}
    three = sentiment_baselines({"negative": 0.2, "neutral": 0.3, "positive": 0.5}, texts)
    assert three == {"majority": ["positive"] * 3, "vader": ["positive", "negative", "neutral"]}
