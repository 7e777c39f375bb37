"""What an archive has received, and the stores that a night and a stream make of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from speed_stack import events, posts

from batch.audience import publish_lists
from batch.conform import conform_bronze
from batch.known import known_before
from batch.pipeline import score
from batch.publish import prediction_rows, write_store
from lambda_arch.clock import rfc3339
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import encode_models
from lambda_arch.models import Models
from lambda_arch.profile_rows import profiles_of
from lambda_arch.schemas import RAW
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE, GENERATIONS, PREDICTIONS, TABLES
from lambda_arch.tiles import Profile
from streaming.apply import Applier
from streaming.gate import gated_events, gated_posts

# Ten records arrive every second, all after the newest of their events.
ARRIVED = datetime(2016, 1, 6, tzinfo=UTC)
EVENTS, POSTS, BROKEN = 300, 60, 8
REPORT = {"users": 40, "titles": 4}  # what a generation must have to be whole
Row = tuple[str, int, int, datetime, bytes | None, bytes]


def empty_store(config: Config, url: str, database: int) -> tuple[Config, Store]:
    """An empty store in that database, and the configuration that names it."""
    url = url.removesuffix("/0") + f"/{database}"
    store = Store(url, 1)
    store.redis.flushdb()
    return config.model_copy(update={"store": config.store.model_copy(update={"url": url})}), store


def profiles_in(frame: DataFrame) -> dict[str, Profile]:
    """The profiles of a frame of schema PROFILE, by user."""
    found = [
        zip(batch.column("user_id").to_pylist(), profiles_of(batch), strict=True)
        for batch in frame.toArrow().to_batches()
    ]
    return {user: profile for pairs in found for user, profile in pairs}


def put_generation(store: Store, models: Models) -> None:
    """Make the models the store's generation."""
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)


def publish(lake: Lake, config: Config, store: Store, models: Models) -> None:
    """As a night does with models that it has."""
    number, told = models.generation, msgspec.json.encode(REPORT)
    scored = score(known_before(lake, models.horizon, config.features.history_limit), models, config).persist()
    lake.replace_where(prediction_rows(number, scored), PREDICTIONS, f"generation = {number}")
    table, encoded = FidelityTable(number, {}), bytearray(encode_models(models))
    row = (
        number,
        rfc3339(models.horizon),
        "test",
        told.decode(),
        encoded,
        encoded,
        msgspec.json.encode(table).decode(),
    )
    lake.append(lake.spark.createDataFrame([row], GENERATIONS.schema), GENERATIONS)
    write_store(scored, config.store, number, in_service=False)
    publish_lists(scored, store, config.store, number)
    store.put_models(models, table)
    store.put_report(number, told)
    store.reserve(number, models.horizon)
    store.advance_clock(models.horizon)
    store.flip(number, models.horizon)


def archived(lake: Lake, config: Config, url: str, database: int, models: Models) -> tuple[Config, Store, list[Row]]:
    """A lake with records, and the store of a generation and of a stream that know them."""
    rows = records(models.horizon)
    lake.create(*TABLES)
    lake.append(lake.spark.createDataFrame(rows, RAW), BRONZE)
    conform_bronze(lake, config)
    config, store = empty_store(config, url, database)
    publish(lake, config, store, models)
    streamed(lake.spark, config, store, rows)
    return config, store, rows


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
    values = gated(spark.createDataFrame(rows, RAW).coalesce(1), config)
    for start in range(0, len(values), 37):
        applier.apply(values[start : start + 37])


def gated(raw: DataFrame, config: Config) -> list[bytes]:
    """What the gate hands on of raw records, in their order: events, then posts."""
    topics = config.kafka.topics
    gates = {topics.events: gated_events(config.events, topics), topics.posts: gated_posts(config.events, topics)}
    return [
        bytes(row.value)
        for topic, gate in gates.items()
        for row in raw.where(F.col("topic") == topic).transform(gate).where(F.col("topic") == topics.gated).collect()
    ]
