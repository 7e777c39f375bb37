"""What an archive has received, and the stores that a stream makes of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession
from speed_stack import events, posts

from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.schemas import RAW
from lambda_arch.store import Store
from streaming.apply import Applier
from streaming.gate import gated_events, gated_posts

# Ten records arrive every second, all after the newest of their events.
ARRIVED = datetime(2016, 1, 6, tzinfo=UTC)
EVENTS, POSTS, BROKEN = 300, 60, 8
Row = tuple[str, int, int, datetime, bytes | None, bytes]


def empty_store(config: Config, url: str, database: int) -> tuple[Config, Store]:
    """An empty store in that database, and the configuration that names it."""
    url = url.removesuffix("/0") + f"/{database}"
    store = Store(url, 1)
    store.redis.flushdb()
    return config.model_copy(update={"store": config.store.model_copy(update={"url": url})}), store


def put_generation(store: Store, models: Models) -> None:
    """Make the models the store's generation."""
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)


def records(horizon: int) -> list[Row]:
    """Events on two partitions and posts on one, broken ones among them, in the order in which they arrive."""
    sent = [*events(7, EVENTS, horizon), *posts(7, POSTS, horizon)]
    random.Random(7).shuffle(sent)
    offsets: dict[tuple[str, int], int] = {}
    rows: list[Row] = []
    for number, record in enumerate(sent):
        source = record.topic, (record.key or b"")[-1] % 2 if record.topic == "events" else 0
        offset = offsets[source] = offsets.get(source, -1) + 1
        value = record.value if number % 50 else b"no JSON"
        rows.append((*source, offset, ARRIVED + timedelta(seconds=number / 10), record.key, value))
    return rows


def streamed(spark: SparkSession, config: Config, store: Store, rows: list[Row]) -> None:
    """The records as the stream applies them: through the gate, in batches, each partition in its order."""
    applier = Applier(store, config.features.history_limit, config.batch.top_n)
    values = _gated(spark, config, rows)
    for start in range(0, len(values), 37):
        applier.apply(values[start : start + 37])


def _gated(spark: SparkSession, config: Config, rows: list[Row]) -> list[bytes]:
    frame, topics = spark.createDataFrame(rows, RAW), config.kafka.topics
    gates = {"events": gated_events(config.events, topics), "posts": gated_posts(config.events, topics)}
    return [
        bytes(row.value)
        for topic, gate in gates.items()
        for row in frame.where(f"topic = '{topic}'").coalesce(1).transform(gate).where("topic = 'gated'").collect()
    ]
