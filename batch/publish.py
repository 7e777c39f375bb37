"""A generation into lake and store: everything under its own keys, checked, then one pointer flips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lambda_arch.config import Store as StoreSettings
from lambda_arch.posts import PostTile, merge_post_tiles
from lambda_arch.predictions import Scoring, predict_title, predict_users
from lambda_arch.profile_rows import profiles_of
from lambda_arch.records import Prediction, encode
from lambda_arch.schemas import ArrowFunction
from lambda_arch.store import Store

SCORED = "entity string, profile binary, records array<struct<use_case: string, record: string>>"
_RECORD = pa.struct([("use_case", pa.string()), ("record", pa.string())])
_SCORED = pa.schema([("entity", pa.string()), ("profile", pa.binary()), ("records", pa.list_(_RECORD))])
SAMPLE = 100


class PublishError(RuntimeError):
    """A generation is not whole in the store; it was not made current."""


def scored_users(scoring: Scoring) -> ArrowFunction:
    """Profiles -> (entity, profile, records): what the generation says of each user."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            users = list(zip(batch.column("user_id").to_pylist(), profiles_of(batch), strict=True))
            entities = [f"u:{user_id}" for user_id, _ in users]
            yield _scored(entities, [profile for _, profile in users], predict_users(users, scoring))

    return scored


def scored_titles(scoring: Scoring) -> ArrowFunction:
    """(title_id, days of post tiles) -> (entity, profile, records): what the generation says of each title."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            titles = batch.column("title_id").to_pylist()
            days = [{day.pop("day"): PostTile(**day) for day in row} for row in batch.column("days").to_pylist()]
            records = [
                predict_title(title, merge_post_tiles(by_day.values()), scoring)
                for title, by_day in zip(titles, days, strict=True)
            ]
            yield _scored([f"t:{title}" for title in titles], days, records)

    return scored


def prediction_rows(generation: int, scored: DataFrame) -> DataFrame:
    """Scored entities -> rows of schema PREDICTION."""
    exploded = scored.select("entity", F.explode("records").alias("said"))
    return exploded.select(F.lit(generation).alias("generation"), "entity", "said.use_case", "said.record")


def write_store(scored: DataFrame, settings: StoreSettings, generation: int) -> int:
    """Write every scored entity's hash, by the executors; answers how many the store has acknowledged."""
    written = scored.mapInArrow(_written(settings, generation), "written bigint").agg(F.sum("written")).collect()
    return int(written[0][0] or 0)


def verify(scored: DataFrame, store: Store, generation: int, expected: int, written: int) -> None:
    """Raise PublishError unless all entities were written and a sample reads back as it was scored."""
    if written != expected:
        raise PublishError(
            f"generation {generation}: {written} of {expected} entities in the store; run the night again"
        )
    sample = [row.asDict(recursive=True) for row in scored.orderBy(F.xxhash64("entity")).limit(SAMPLE).collect()]
    for row in sample:
        if store.entity(row["entity"], generation) != _fields(row):
            raise PublishError(f"generation {generation}: {row['entity']} reads back otherwise; run the night again")


def _written(settings: StoreSettings, generation: int) -> ArrowFunction:
    def written(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = Store(settings.url, settings.ttl_days)
        for batch in batches:
            rows = ((row["entity"], _fields(row)) for row in batch.to_pylist())
            yield pa.RecordBatch.from_pydict({"written": [store.publish(generation, rows)]})

    return written


def _fields(row: dict[str, object]) -> dict[str, bytes]:
    records = {said["use_case"]: said["record"].encode() for said in row["records"]}  # type: ignore[attr-defined]
    return {"profile": bytes(row["profile"]), **records}  # type: ignore[call-overload]


def _scored(entities: list[str], profiles: Sequence[object], records: list[list[Prediction]]) -> pa.RecordBatch:
    said = [record for one in records for record in one]
    columns = [pa.array([record.use_case for record in said], pa.string()), pa.array(map(encode, said), pa.string())]
    lists = pa.ListArray.from_arrays(
        pa.array(accumulate(map(len, records), initial=0), pa.int32()),
        pa.StructArray.from_arrays(columns, fields=list(_RECORD)),
    )
    encoded = pa.array(map(msgspec.msgpack.encode, profiles), pa.binary())
    return pa.RecordBatch.from_arrays([pa.array(entities, pa.string()), encoded, lists], schema=_SCORED)
