"""The gate on one core, from raw events to gated records, beside `from_json` alone on the same bytes.

Both read a frame in memory, of one partition and so by one task, and hand their rows to a sink that drops them; Kafka
is left out on both sides. `from_json` gives typed columns and nothing else: no rules, no hashes, no record in JSON.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from benchmarks.timing import in_turns, ratios
from generate.pipeline import generate
from generate.plan import START, Plan
from lambda_arch.contract import EVENT_FIELDS
from lambda_arch.schemas import EVENT, RAW, conform
from streaming.gate import gated_events

EVENTS, USERS, TITLES, DAYS, SEED, ROUNDS = 1_000_000, 20_000, 20_000, 90, 1, 5


def rows(ground: Ground) -> list[Row]:
    """Rows a second of both, and their ratio."""
    raw = _raw(ground).persist()
    gated = raw.transform(gated_events(ground.config.events, ground.config.kafka.topics))
    parsed = raw.select(_parsed().alias("event"))
    _refuse_invalid(gated.where(F.col("topic") != ground.config.kafka.topics.gated), "by the gate")
    _refuse_invalid(parsed.where("event.event_id is null or event.event_time is null"), "by from_json")
    alone, ours = in_turns(ROUNDS, lambda: _finish(parsed), lambda: _finish(gated))
    raw.unpersist()
    size = f"from_json alone; {EVENTS:,} events, one task"
    return [
        at_least(0.6, "gate, rows on one core", ratios(alone, ours), "times", size),
        reported("gate, rows on one core", [EVENTS / seconds for seconds in ours], "rows/s"),
        reported("from_json alone, rows on one core", [EVENTS / seconds for seconds in alone], "rows/s"),
    ]


def _raw(ground: Ground) -> DataFrame:
    """A made-up service's events as they come from Kafka, in one partition."""
    folder = Path(ground.config.paths.lake).parent / "gate"
    plan = Plan(EVENTS, USERS, TITLES, DAYS, START, SEED, 0)
    generate(plan, folder, True, lambda _: None)
    lines = ground.spark.read.text(str(folder / "lines" / "events-*.jsonl")).coalesce(1)
    said = F.from_json("value", "key string, value string")
    raw = lines.select(said["key"].alias("key"), said["value"].alias("value"))
    return raw.select(
        F.lit("events").alias("topic"), F.lit(0).alias("partition"), F.monotonically_increasing_id().alias("offset"),
        F.timestamp_millis(F.lit(plan.end)).alias("timestamp"),
        F.col("key").cast("binary"), F.col("value").cast("binary"),
    ).transform(conform(RAW))  # fmt: skip


def _parsed() -> Column:
    schema = T.StructType([EVENT[name] for name in EVENT_FIELDS])
    return F.from_json(F.col("value").cast("string"), schema)


def _refuse_invalid(refused: DataFrame, by: str) -> None:
    """A record that is not read would be read faster."""
    if count := refused.count():
        raise ValueError(f"{count} of the made-up events are refused {by}")


def _finish(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()
