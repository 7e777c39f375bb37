"""Bronze -> the store once more: through the very gate and the very `Applier`, without a broker.

What an entity's fence has passed changes nothing: on top of a live store a replay is none, and onto an empty store it
gives the same store. A fence must never pass over a record that was not applied, so offsets are replayed without gaps,
each entity's in their order, and a span that begins where something before it is missing is refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import islice

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lambda_arch.clock import MINUTE, rfc3339
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.posts import PostProfile
from lambda_arch.records import TITLE_USE_CASES, UnknownSchemaError, UseCase
from lambda_arch.schemas import COORDINATES, ArrowFunction, Transform
from lambda_arch.states import decode_state
from lambda_arch.store import STORE_ERRORS, Store, StoreError
from lambda_arch.tables import BRONZE
from lambda_arch.tiles import Tile
from streaming.apply import Applier
from streaming.gate import gated_events, gated_posts

AT_ONCE = 1000  # entities read in one round trip
_SOURCE = "kind string, topic string, partition int, offset bigint, user_id string, title_id string"
_DONE = "records bigint, written bigint, fault string"


class ReplayError(RuntimeError):
    """The span cannot be replayed into this store; the message says why and the remedy."""


@dataclass(frozen=True)
class Span:
    """What was received from `since` to before `until` (microseconds; None: no end)."""

    since: int
    until: int | None = None


@dataclass(frozen=True)
class Replayed:
    """How many gated records were replayed since when, and how often an entity was written for them."""

    since: str
    records: int
    written: int


def replay(
    lake: Lake,
    store: Store,
    config: Config,
    since: int | None = None,
    until: int | None = None,
    *,
    use_case: UseCase | None = None,
    rate: float | None = None,
) -> Replayed:
    """Apply what was received from `since` (None: all that can matter) to before `until`, `rate` records a second.

    Raises ReplayError where the store lacks something that was received before `since`, StoreError where the store is
    away or has no generation. A replay that was stopped may be run again.
    """
    if not lake.exists(BRONZE):
        raise ReplayError(f"the lake at {config.paths.lake} has no {BRONZE.name}: nothing was archived")
    first = earliest(store, config)
    begin = max(since or first, first)
    gates = _gates(config, use_case)
    if begin > first:
        _refuse_gaps(_gated(lake, gates, Span(first, begin)), store)
    # An entity is one task's, and its records are in the order in which the stream had them.
    ordered = _gated(lake, gates, Span(begin, until)).repartition("entity").sortWithinPartitions(*COORDINATES)
    done = ordered.select("value").mapInArrow(_applied(config, rate and rate / config.spark.shuffle_partitions), _DONE)
    [row] = done.agg(F.sum("records").alias("n"), F.sum("written").alias("w"), F.max("fault").alias("fault")).collect()
    if row.fault:
        raise StoreError(row.fault)
    return Replayed(rfc3339(begin), row.n or 0, row.w or 0)


def earliest(store: Store, config: Config) -> int:
    """Since when a record must have been received for its event to be in a tile; tiles reach to the oldest horizon.

    An event is at most events.max_ahead_minutes ahead of its arrival. Raises StoreError without a generation.
    """
    generations = store.generations()
    if not generations.current:
        raise StoreError("the store has no generation to score with: publish one with `lambda-arch night`, then replay")
    return max(0, generations.oldest_horizon() - config.events.max_ahead_minutes * MINUTE)


def _gates(config: Config, use_case: UseCase | None) -> dict[str, Transform]:
    topics = config.kafka.topics
    events = {topics.events: gated_events(config.events, topics)}
    posts = {topics.posts: gated_posts(config.events, topics)}
    if use_case is None:
        return {**events, **posts}
    return posts if use_case in TITLE_USE_CASES else events


def _gated(lake: Lake, gates: dict[str, Transform], span: Span) -> DataFrame:
    """What passes the gate -> (value, kind, entity, source coordinates)."""
    rows = lake.read(BRONZE)
    parts = [rows.where(F.col("topic") == topic).transform(_within(span)).transform(gates[topic]) for topic in gates]
    source = F.from_json(F.col("value").cast("string"), _SOURCE).alias("source")
    passed = reduce(DataFrame.unionByName, parts).where(F.col("headers").isNull()).select("value", source)
    user, title = F.concat(F.lit("u:"), "source.user_id"), F.concat(F.lit("t:"), "source.title_id")
    entity = F.when(F.col("source.kind") == "event", user).otherwise(title).alias("entity")
    return passed.select("value", entity, *[f"source.{name}" for name in COORDINATES])


def _within(span: Span) -> Transform:
    """A topic's records -> those between the first offsets of each partition at or after the span's two ends.

    By offset, for a partition's times need not grow where a producer stamps them.
    """

    def first_since(moment: int | None) -> Column:
        after = F.lit(moment is not None) & (F.col("timestamp") >= F.timestamp_micros(F.lit(moment or 0)))
        return F.min(F.when(after, F.col("offset")))

    def within(rows: DataFrame) -> DataFrame:
        ends = rows.groupBy("partition").agg(
            first_since(span.since).alias("first"), first_since(span.until).alias("end")
        )
        found = rows.join(F.broadcast(ends), on="partition", how="inner")
        return found.where("offset >= first AND (end IS NULL OR offset < end)").drop("first", "end")

    return within


def _refuse_gaps(before: DataFrame, store: Store) -> None:
    """Raise ReplayError unless every entity's fences have passed all the records."""
    last = before.groupBy("entity", "topic", "partition").agg(F.max("offset").alias("offset"))
    rows = last.orderBy("entity", "topic", "partition").toLocalIterator()
    behind: list[Row] = []
    while some := list(islice(rows, AT_ONCE)):
        behind += _behind(some, store)
    if behind:
        at = behind[0]
        raise ReplayError(
            f"{len(behind)} times an entity lacks records that were received before --from, such as {at.entity} of "
            f"{at.topic}/{at.partition}/{at.offset}: leave --from out, and all that can matter is replayed"
        )


def _behind(last: list[Row], store: Store) -> list[Row]:
    stored = store.read_entities([row.entity for row in last], 0)
    states = [
        decode_state(entity.state, PostProfile if row.entity.startswith("t:") else Tile)
        for row, entity in zip(last, stored, strict=True)
    ]
    fences = [state.fences.get(f"{row.topic}/{row.partition}", -1) for row, state in zip(last, states, strict=True)]
    return [row for row, fence in zip(last, fences, strict=True) if fence < row.offset]


def _applied(config: Config, rate: float | None) -> ArrowFunction:
    """Gated records -> the store, on the executors; a row for each call, or one with the fault that ended it."""
    size, settings = config.speed.scorer_batch, config.model_dump_json()

    def applied(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = Config.model_validate_json(settings)
        store = Store(known.store.url, known.store.ttl_days)
        applier = Applier(store, known.features.history_limit, known.batch.top_n)
        begun, records = time.monotonic(), 0
        try:
            for batch in batches:
                for values in (batch.slice(start, size) for start in range(0, batch.num_rows, size)):
                    done = applier.apply(values.column("value").to_pylist())
                    records += done.records
                    yield _row(done.records, done.written)
                    if rate:
                        time.sleep(max(0.0, begun + records / rate - time.monotonic()))
        except (StoreError, UnknownSchemaError, *STORE_ERRORS) as error:  # an executor's exception is a stack trace
            yield _row(0, 0, f"replay stopped after {records} records: {error}; run it again")
        finally:
            store.redis.close()

    return applied


def _row(records: int, written: int, fault: str | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"records": [records], "written": [written], "fault": pa.array([fault], pa.string())}
    )
