"""A generation into lake and store: everything under its own keys, checked, then one pointer flips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.erasing import user_in
from batch.wire import Wire, replacing
from lambda_arch.config import Store as StoreSettings
from lambda_arch.forgetting import forget_in, noted
from lambda_arch.posts import SPANS, Felt, PostProfile, PostTile
from lambda_arch.predictions import Scoring, predict_title, predict_users
from lambda_arch.profile_rows import profiles_of
from lambda_arch.records import USE_CASES, Prediction, decode, encode
from lambda_arch.schemas import ArrowFunction
from lambda_arch.store import Store, StoreError
from lambda_arch.talked_about import KEPT

SCORED = "entity string, profile binary, records array<struct<use_case: string, record: string>>"
_RECORD = pa.struct([("use_case", pa.string()), ("record", pa.string())])
_SCORED = pa.schema([("entity", pa.string()), ("profile", pa.binary()), ("records", pa.list_(_RECORD))])
SAMPLE, SECONDS_A_DAY = 100, 86_400
Writer = Callable[[pa.RecordBatch], int]


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
    """(title_id, tiles of posts) -> (entity, profile, records): what the generation says of each title."""

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            titles = batch.column("title_id").to_pylist()
            profiles = [_post_profile(row) for row in batch.column("tiles").to_pylist()]
            records = [predict_title(title, profile, scoring) for title, profile in zip(titles, profiles, strict=True)]
            yield _scored([f"t:{title}" for title in titles], profiles, records)

    return scored


def prediction_rows(generation: int, scored: DataFrame) -> DataFrame:
    """Scored entities -> rows of schema PREDICTION."""
    exploded = scored.select("entity", F.explode("records").alias("said"))
    return exploded.select(F.lit(generation).alias("generation"), "entity", "said.use_case", "said.record")


def trending_titles(scored: DataFrame) -> list[Prediction]:
    """What is said of the titles that rise or fall, of the newest that the store keeps."""
    said = scored.where(F.col("entity").startswith("t:")).select(F.explode("records.record").alias("record"))
    way, newest = (F.get_json_object("record", path) for path in ("$.value.pace.direction", "$.as_of"))
    rows = said.where(way.isin("rising", "falling")).orderBy(newest.desc(), "record").limit(KEPT).collect()
    return [decode(row.record.encode()) for row in rows]


def write_store(scored: DataFrame, settings: StoreSettings, generation: int, in_service: bool) -> int:
    """Write every scored entity's hash, by the executors; answers how many the store has then.

    `in_service`: readers have this generation, so that its hashes are replaced at once. Raises StoreError where the
    store is full or away.
    """
    done = scored.mapInArrow(written_to(settings, generation, in_service), "written bigint, fault string")
    [row] = done.agg(F.sum("written").alias("written"), F.max("fault").alias("fault")).collect()
    if row.fault:
        raise StoreError(row.fault)
    return int(row.written or 0)


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


def forget_erased(store: Store, scored: DataFrame, generation: int, horizon: int) -> None:
    """Take out of a generation again whose events before its horizon were erased since its night read the lake.

    The API enters an erasure before it removes keys: who is not in the registry yet has their keys removed after this.
    """
    people = [person for person, erasure in noted(store).items() if erasure.moment >= horizon]
    if not people:
        return
    rows = scored.where(F.sha2(user_in(F.col("entity")), 256).isin(people)).select("entity").collect()
    forget_in(store, [row.entity for row in rows], [generation])


def written_to(settings: StoreSettings, generation: int, in_service: bool) -> ArrowFunction:
    """Scored entities -> one row per partition: how many the store has then, and the fault that ended it, if any."""

    def written(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = _columns_writer if Wire.speaks(settings.url) else _rows_writer
        there, fault = 0, None
        try:
            with writer(settings, generation, in_service) as write:
                there = sum(map(write, batches))
        except StoreError as error:  # told by the driver: an executor's exception is a stack trace
            fault = str(error)
        yield pa.RecordBatch.from_pydict({"written": [there], "fault": pa.array([fault], pa.string())})

    return written


@contextmanager
def _columns_writer(settings: StoreSettings, generation: int, in_service: bool) -> Iterator[Writer]:
    """Writes batches as bytes made by whole columns; answers how many of their keys the store has then."""
    ttl = settings.ttl_days * SECONDS_A_DAY

    def write(batch: pa.RecordBatch) -> int:
        if not batch.num_rows:
            return 0
        keys = pc.binary_join_element_wise("la:{", batch.column("entity"), f"}}:g:{generation}", "")
        fields = {"profile": batch.column("profile"), **_records(batch.column("records"))}
        wire.write(replacing(keys, fields, ttl), at_once=in_service)
        return wire.there(keys)

    with closing(Wire(settings.url)) as wire:
        yield write


@contextmanager
def _rows_writer(settings: StoreSettings, generation: int, in_service: bool) -> Iterator[Writer]:
    """Writes batches through the client, which speaks TLS and Unix sockets too; always at once."""
    store = Store(settings.url, settings.ttl_days)
    with closing(store.redis):
        yield lambda batch: store.publish(generation, ((row["entity"], _fields(row)) for row in batch.to_pylist()))


def _records(records: pa.ListArray) -> dict[str, pa.Array]:
    """Lists of (use_case, record) -> a column per use case, null where the list has none."""
    said, parents = records.flatten(), pc.list_parent_indices(records).to_numpy()
    columns: dict[str, pa.Array] = {}
    for use_case in USE_CASES:
        rows = pc.indices_nonzero(pc.equal(said.field("use_case"), use_case)).to_numpy()
        place = np.full(len(records), -1)
        place[parents[rows]] = rows
        columns[use_case] = said.field("record").take(pa.array(place, mask=place < 0))
    return columns


def _fields(row: dict[str, object]) -> dict[str, bytes]:
    records = {said["use_case"]: said["record"].encode() for said in row["records"]}  # type: ignore[attr-defined]
    return {"profile": bytes(row["profile"]), **records}  # type: ignore[call-overload]


def _post_profile(tiles: Iterable[Mapping[str, Any]]) -> PostProfile:
    spans: dict[str, dict[int, Felt]] = {span: {} for span in SPANS}
    lifetime = PostTile()
    for tile in tiles:
        if tile["span"] in spans:
            spans[tile["span"]][tile["number"]] = Felt(tile["posts"], tile["positive"])
        else:
            lifetime = PostTile(*(tile[name] for name in PostTile.__struct_fields__))
    return PostProfile(lifetime, **spans)


def _scored(entities: list[str], profiles: Sequence[object], records: list[list[Prediction]]) -> pa.RecordBatch:
    said = [record for one in records for record in one]
    columns = [pa.array([record.use_case for record in said], pa.string()), pa.array(map(encode, said), pa.string())]
    lists = pa.ListArray.from_arrays(
        pa.array(accumulate(map(len, records), initial=0), pa.int32()),
        pa.StructArray.from_arrays(columns, fields=list(_RECORD)),
    )
    encoded = pa.array(map(msgspec.msgpack.encode, profiles), pa.binary())
    return pa.RecordBatch.from_arrays([pa.array(entities, pa.string()), encoded, lists], schema=_SCORED)
