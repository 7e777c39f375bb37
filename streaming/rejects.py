"""The lake's rejected records as an operator looks at them: chosen, counted, shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lambda_arch.clock import rfc3339
from lambda_arch.config import Topics
from lambda_arch.schemas import COORDINATES, Transform

# What became of a record: nothing yet; fixed, to be sent by the next replay; taken by a replay that was stopped; sent.
STATES = ("waiting", "fixed", "taken", "replayed")


class QuarantineError(ValueError):
    """What was asked of the quarantine cannot be done; the message says why and the remedy."""


@dataclass(frozen=True)
class Selection:
    """Rejected records by reason, source topic, when they were received (microseconds), and coordinates."""

    reason: str | None = None
    topic: str | None = None
    since: int | None = None
    coordinates: tuple[str, int, int] | None = None

    def __call__(self, rows: DataFrame) -> DataFrame:
        """Those of the rows (schema QUARANTINE) that are meant."""
        for name, wanted in (("reason", self.reason), ("topic", self.topic)):
            rows = rows if wanted is None else rows.where(F.col(name) == wanted)
        if self.since is not None:
            rows = rows.where(F.col("timestamp") >= F.timestamp_micros(F.lit(self.since)))
        for name, at in zip(COORDINATES, self.coordinates or (), strict=False):
            rows = rows.where(F.col(name) == F.lit(at))
        return rows


def coordinates_of(text: str) -> tuple[str, int, int]:
    """`TOPIC/PARTITION/OFFSET`; raises QuarantineError for anything else."""
    try:
        topic, partition, offset = text.rsplit("/", 2)
        return topic, int(partition), int(offset)
    except ValueError:
        raise QuarantineError(f"{text}: want TOPIC/PARTITION/OFFSET, such as events/0/17") from None


def state() -> Column:
    """Which of STATES a record is in."""
    waiting, fixed, taken, replayed = map(F.lit, STATES)
    return (
        F.when(F.col("replayed_at").isNotNull(), replayed)
        .when(F.col("replay").isNotNull(), taken)
        .when(F.col("fixed").isNotNull(), fixed)
        .otherwise(waiting)
    )


def place() -> Column:
    """A record's coordinates as text."""
    return F.concat_ws("/", *COORDINATES)


def kind(topics: Topics, of_files: str | None) -> Column:
    """`events` or `posts`, by the topic; of a file's rows what is given, for the table does not say it."""
    topic = F.col("topic")
    given = F.when(topic.startswith("file:"), F.lit(of_files))
    return F.when(topic == topics.events, F.lit("events")).when(topic == topics.posts, F.lit("posts")).otherwise(given)


def sums() -> Transform:
    """Rejected records -> a row per reason and topic: how many there are, in each state, when first and last seen."""
    states = [F.count_if(state() == name).alias(name) for name in STATES]
    seen = F.min("timestamp").alias("first_seen"), F.max("timestamp").alias("last_seen")
    order = F.desc("records"), F.col("reason"), F.col("topic")
    return lambda rows: (
        rows.groupBy("reason", "topic").agg(F.count("*").alias("records"), *states, *seen).orderBy(*order)
    )


def listed(rows: DataFrame) -> list[dict[str, Any]]:
    """The sums as plain values, times in RFC 3339."""
    times = {name: F.unix_micros(name) for name in ("first_seen", "last_seen")}
    found = [row.asDict() for row in rows.transform(sums()).withColumns(times).collect()]
    return [{**row, **{name: rfc3339(row[name]) for name in times}} for row in found]


def shown(rows: DataFrame, limit: int) -> list[dict[str, Any]]:
    """The first records by their coordinates, bytes as text, times in RFC 3339."""
    told = rows.orderBy(*COORDINATES).limit(limit).select(
        place().alias("coordinates"), "reason", state().alias("state"), "file", "fix", "value", "fixed",
        F.unix_micros("timestamp").alias("seen"), F.unix_micros("replayed_at").alias("replayed"),
    )  # fmt: skip
    return [_plain(row.asDict()) for row in told.collect()]


def as_text(value: bytes | bytearray | None) -> str | None:
    """Bytes as text; what is no UTF-8 is replaced."""
    return None if value is None else bytes(value).decode("utf-8", "replace")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: as_text(row[name]) for name in ("value", "fixed")}
    times = {name: None if row[name] is None else rfc3339(row[name]) for name in ("seen", "replayed")}
    return {**row, **texts, **times}
