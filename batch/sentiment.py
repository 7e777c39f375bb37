"""Sentiment: naive Bayes over uni- and bigrams; every post scored and summed per title and day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.ml.classification import NaiveBayes
from pyspark.ml.feature import CountVectorizer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lambda_arch.clock import day_of, micros
from lambda_arch.models import SentimentModel
from lambda_arch.posts import FEELINGS
from lambda_arch.recipes import Sentiment
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import post_tile
from lambda_arch.text import tokens

VOCABULARY = 1 << 18
POST_TILES = "title_id string, day bigint, posts bigint, positive bigint, score bigint, first bigint, last bigint"


def labelled_posts(posts: DataFrame, labels: DataFrame) -> DataFrame:
    """(post_id, title_id, text, feeling) of the posts that people labelled."""
    return posts.join(labels, on="post_id", how="inner").select("post_id", "title_id", "text", "feeling")


def train_sentiment(labelled: DataFrame, settings: Sentiment, version: int) -> SentimentModel | None:
    """Naive Bayes on labelled posts; None where they are all of one class."""
    counts = {row.feeling: row["count"] for row in labelled.groupBy("feeling").count().collect()}
    classes = [feeling for feeling in FEELINGS if feeling in counts]
    if len(classes) < 2:
        return None
    label = (F.array_position(F.array(*map(F.lit, classes)), F.col("feeling")) - 1).cast("double")
    texts = labelled.where(F.col("feeling").isin(*classes)).select("post_id", "text", label.alias("label"))
    documents = texts.mapInArrow(_tokenised, "post_id string, label double, tokens array<string>").persist()
    counter = CountVectorizer(
        inputCol="tokens", outputCol="features", minDF=float(settings.min_count), vocabSize=VOCABULARY
    ).fit(documents)
    fitted = NaiveBayes(smoothing=settings.smoothing).fit(counter.transform(documents))
    vocabulary = counter.vocabulary  # once: every access carries all of it over from the JVM
    order = np.argsort(np.array(vocabulary))
    return SentimentModel(
        name="naive_bayes", version=version, vocabulary=[vocabulary[number] for number in order],
        weights=fitted.theta.toArray().T[order], prior=fitted.pi.toArray(), classes=classes,
        shares=[counts[feeling] / sum(counts.values()) for feeling in classes],
    )  # fmt: skip


def post_tiles(model: SentimentModel | None) -> ArrowFunction:
    """Posts (title_id, event_time, text) -> unit tiles of schema POST_TILES, by the function that the stream uses."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for post in batch.to_pylist():
                time = micros(post["event_time"])
                tile = post_tile(model, time, post["text"])
                rows.append({
                    "title_id": post["title_id"], "day": day_of(time), "posts": tile.posts,
                    "positive": tile.positive, "score": tile.score, "first": tile.first, "last": tile.last,
                })  # fmt: skip
            yield pa.RecordBatch.from_pylist(rows, _TILES)

    return scored


def title_days(tiles: DataFrame) -> DataFrame:
    """Unit tiles -> (title_id, days): each title's tiles by day."""
    by_day = tiles.groupBy("title_id", "day").agg(
        *[F.sum(name).alias(name) for name in ("posts", "positive", "score")],
        F.min("first").alias("first"),
        F.max("last").alias("last"),
    )
    day = F.struct("day", "posts", "positive", "score", "first", "last")
    return by_day.groupBy("title_id").agg(F.sort_array(F.collect_list(day)).alias("days"))


_LONGS = ("day", "posts", "positive", "score", "first", "last")
_TILES = pa.schema([("title_id", pa.string()), *((name, pa.int64()) for name in _LONGS)])
_DOCUMENTS = pa.schema({"post_id": pa.string(), "label": pa.float64(), "tokens": pa.list_(pa.string())})


def _tokenised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = [{**row, "tokens": tokens(row["text"])} for row in batch.to_pylist()]
        yield pa.RecordBatch.from_pylist([{name: row[name] for name in _DOCUMENTS.names} for row in rows], _DOCUMENTS)
