"""Sentiment: a linear classifier of labelled posts; every post scored, and summed per title by day, hour and minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from batch.feelings.classifiers import fitted, read_out
from lambda_arch.clock import micros
from lambda_arch.models import SentimentModel
from lambda_arch.posts import FEELINGS, POSITIVE, SPANS
from lambda_arch.recipes import Sentiment
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import post_tile
from lambda_arch.text import tokens

POST_TILES = "title_id string, posts bigint, positive bigint, score bigint, first bigint, last bigint"
# The tile of all of a title's posts, beside those of SPANS.
LIFETIME = "lifetime"


def labelled_posts(posts: DataFrame, labels: DataFrame) -> DataFrame:
    """(post_id, title_id, text, feeling) of the posts that people labelled."""
    return posts.join(labels, on="post_id", how="inner").select("post_id", "title_id", "text", "feeling")


def class_shares(labelled: DataFrame) -> dict[str, float]:
    """How much of the labelled posts each feeling is that they have, in the order of FEELINGS."""
    counts = {row.feeling: row["count"] for row in labelled.groupBy("feeling").count().collect()}
    known = {feeling: counts[feeling] for feeling in FEELINGS if feeling in counts}
    return {feeling: count / sum(known.values()) for feeling, count in known.items()}


def nothing_to_learn(shares: Mapping[str, float]) -> str | None:
    """Why no model can be trained on posts of these classes."""
    if not shares:
        return "no post is labelled: ingest labels (post_id, feeling)"
    if len(shares) == 1:
        return f"all labelled posts are {next(iter(shares))}: a second class is needed"
    if POSITIVE not in shares:
        return "no labelled post is positive, and the share of positive posts is what is asked for"
    return None


def documents(labelled: DataFrame, classes: Mapping[str, float], buckets: int) -> DataFrame:
    """(post_id, title_id, tokens, label), the label being the number of the class.

    One partition in one order: sums of floats depend on it, and a night run again must agree.
    """
    names = F.array(*[F.lit(name) for name in classes])
    label = (F.array_position(names, F.col("feeling")) - 1).cast("double").alias("label")
    known = labelled.where(F.array_contains(names, F.col("feeling"))).select("post_id", "title_id", label, "text")
    found = known.mapInArrow(_tokenised(buckets), "post_id string, title_id string, label double, tokens array<string>")
    return found.repartition(1).sortWithinPartitions("post_id")


def train_sentiment(labelled: DataFrame, settings: Sentiment, version: int) -> SentimentModel | None:
    """The settings' classifier on labelled posts; None where there is nothing to learn."""
    shares = class_shares(labelled)
    if nothing_to_learn(shares):
        return None
    learned = documents(labelled, shares, settings.buckets).persist()
    try:
        return read_out(fitted(learned, len(shares), settings), settings, shares, version)
    finally:
        learned.unpersist()


def post_tiles(model: SentimentModel | None) -> ArrowFunction:
    """Posts (title_id, event_time, text) -> unit tiles of schema POST_TILES, by the function that the stream uses."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for post in batch.to_pylist():
                time = micros(post["event_time"])
                tile = post_tile(model, time, post["text"])
                rows.append({
                    "title_id": post["title_id"], "posts": tile.posts, "positive": tile.positive,
                    "score": tile.score, "first": tile.first, "last": tile.last,
                })  # fmt: skip
            yield pa.RecordBatch.from_pylist(rows, _TILES)

    return scored


def title_tiles(units: DataFrame) -> DataFrame:
    """Unit tiles -> (title_id, tiles): each title's tile of LIFETIME, and those that its profile keeps of SPANS."""
    spanned = units.select("*", F.explode(_spans()).alias("of")).select("title_id", "of.*", *_LONGS)
    summed = spanned.groupBy("title_id", "span", "kept", "number").agg(
        *[F.sum(name).alias(name) for name in ("posts", "positive", "score")],
        F.min("first").alias("first"),
        F.max("last").alias("last"),
    )
    newest = F.max("number").over(Window.partitionBy("title_id", "span"))
    kept = summed.withColumn("newest", newest).where("number > newest - kept")
    tile = F.struct("span", "number", *_LONGS)
    return kept.groupBy("title_id").agg(F.sort_array(F.collect_list(tile)).alias("tiles"))


def _spans() -> Column:
    """Of which tiles a unit tile is a part: span, the tile's number in it, and how many of them are kept."""
    rows = [("0L", LIFETIME, 1), *((f"`last` div {span.width}", name, span.kept) for name, span in SPANS.items())]
    return F.array(*[
        F.struct(F.expr(number).alias("number"), F.lit(name).alias("span"), F.lit(kept).alias("kept"))
        for number, name, kept in rows
    ])  # fmt: skip


_LONGS = ("posts", "positive", "score", "first", "last")
_TILES = pa.schema([("title_id", pa.string()), *((name, pa.int64()) for name in _LONGS)])
_DOCUMENTS = pa.schema(
    {"post_id": pa.string(), "title_id": pa.string(), "label": pa.float64(), "tokens": pa.list_(pa.string())}
)


def _tokenised(buckets: int) -> ArrowFunction:
    def tokenised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = [tokens(text, buckets) for text in batch.column("text").to_pylist()]
            told = [batch.column(name) for name in _DOCUMENTS.names[:-1]]
            yield pa.RecordBatch.from_arrays([*told, pa.array(found, pa.list_(pa.string()))], schema=_DOCUMENTS)

    return tokenised
