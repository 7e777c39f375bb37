"""Raw records -> gated records or quarantine: Column expressions only, one row in, one row out.

A gated record is a compact JSON object (lambda_arch.tiles.Event, lambda_arch.posts.Post) keyed by its entity; a
quarantined one is the original bytes, with its coordinates and the reason in the headers; `as_rejects` reads them.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lambda_arch.config import Events, Topics
from lambda_arch.features import unit_tile
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import COORDINATES, MARKS, QUARANTINE, Transform, conform, with_nulls


def gated_events(settings: Events, topics: Topics) -> Transform:
    """Raw events -> (topic, key, value, headers) for topic `gated` or `quarantine`."""

    def gated(raw: DataFrame) -> DataFrame:
        units = raw.transform(checked_events(settings)).withColumns(unit_tile())
        unit = _record(
            "event", "event_id", "id_hash", "event_type", "user_id", "title_id", F.col("time").alias("event_time"),
            "watched", "rated", "strength", "attributes",
        )  # fmt: skip
        return _routed(units, F.col("user_id"), unit, topics)

    return gated


def gated_posts(settings: Events, topics: Topics) -> Transform:
    """Raw posts -> (topic, key, value, headers) for topic `gated` or `quarantine`."""

    def gated(raw: DataFrame) -> DataFrame:
        posts = raw.transform(checked_posts(settings))
        time, id_hash = F.unix_micros("event_time").alias("event_time"), F.xxhash64("post_id").alias("id_hash")
        return _routed(posts, F.col("title_id"), _record("post", "post_id", id_hash, "title_id", time, "text"), topics)

    return gated


def as_rejects() -> Transform:
    """Messages of topic `quarantine`, with headers -> rows of schema QUARANTINE, each source coordinate once."""
    columns = {
        "reason": _header("reason"),
        "topic": _header("source_topic"),
        "partition": _header("source_partition").cast("integer"),
        "offset": _header("source_offset").cast("bigint"),
        "timestamp": _header("seen_at").cast("timestamp"),
    }
    # A gate that was killed sends a record again: the same bytes, and another reason only if the rules changed.
    nth = F.row_number().over(Window.partitionBy(*COORDINATES).orderBy("reason"))

    def rejects(messages: DataFrame) -> DataFrame:
        rows = messages.select("key", "value", *[column.alias(name) for name, column in columns.items()])
        first = rows.withColumn("nth", nth).where("nth = 1")
        return first.transform(with_nulls(QUARANTINE, ("file", *MARKS))).transform(conform(QUARANTINE))

    return rejects


def _header(name: str) -> Column:
    found = F.filter("headers", lambda header: header["key"] == name)
    return F.get(found, F.lit(0))["value"].cast("string")


def _record(kind: str, *columns: Column | str) -> Column:
    return F.to_json(F.struct(F.lit(kind).alias("kind"), "topic", "partition", "offset", *columns))


def _routed(checked: DataFrame, entity: Column, gated: Column, topics: Topics) -> DataFrame:
    valid = F.col("reason").isNull()
    return checked.select(
        F.when(valid, F.lit(topics.gated)).otherwise(F.lit(topics.quarantine)).alias("topic"),
        F.when(valid, entity.cast("binary")).otherwise(F.col("key")).alias("key"),
        F.when(valid, gated.cast("binary")).otherwise(F.col("record")).alias("value"),
        F.when(~valid, _quarantine_headers()).alias("headers"),
    )


def _quarantine_headers() -> Column:
    headers = {
        "reason": F.col("reason"),
        "source_topic": F.col("topic"),
        "source_partition": F.col("partition"),
        "source_offset": F.col("offset"),
        "seen_at": F.col("timestamp"),
    }
    pairs = [
        F.struct(F.lit(name).alias("key"), value.cast("string").cast("binary").alias("value"))
        for name, value in headers.items()
    ]
    return F.array(*pairs)
