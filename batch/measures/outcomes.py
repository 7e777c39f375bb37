"""What people did after they were answered: exposures and events -> who watched what was shown, and who left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lambda_arch.clock import HOUR

EXPOSURES = "id long, user_id string, at long, titles array<string>"


class Exposure(NamedTuple):
    """An answer that somebody got at a time (microseconds), with the titles of a list."""

    id: int
    user_id: str
    at: int
    titles: list[str]


class Outcome(NamedTuple):
    """What followed within the hours: a view of a title that was shown, a cancellation."""

    watched: bool
    cancelled: bool


def outcomes(events: DataFrame, exposures: Iterable[Exposure], hours: float) -> dict[int, Outcome]:
    """By exposure's id, of those whose hours had passed when the newest event happened; later ones are left out."""
    window = int(hours * HOUR)
    known = events.sparkSession.createDataFrame([tuple(one) for one in exposures], EXPOSURES)
    acts = events.where(F.col("event_type").isin("view", "cancel")).select(
        "user_id", "title_id", "event_type", F.unix_micros("event_time").alias("time")
    )
    [newest] = events.agg(F.max(F.unix_micros("event_time"))).first() or (None,)
    settled = known.where(F.col("at") + window <= F.lit(newest or 0))
    after = (F.col("time") > F.col("at")) & (F.col("time") <= F.col("at") + window)
    hit = (F.col("event_type") == "view") & F.array_contains("titles", F.col("title_id"))
    joined = settled.join(acts, on="user_id", how="left").groupBy("id")
    rows = joined.agg(
        F.coalesce(F.max(after & hit), F.lit(False)).alias("watched"),
        F.coalesce(F.max(after & (F.col("event_type") == "cancel")), F.lit(False)).alias("cancelled"),
    )
    return {row.id: Outcome(row.watched, row.cancelled) for row in rows.collect()}
