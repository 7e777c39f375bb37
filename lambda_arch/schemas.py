"""Spark schemas of every border, each with the invariant it promises, and `conform`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

Transform = Callable[[DataFrame], DataFrame]
ArrowFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def _schema(**columns: str | T.DataType) -> T.StructType:
    schema = T.StructType()
    for name, kind in columns.items():
        schema = schema.add(name, kind)
    return schema


_STRINGS = T.ArrayType(T.StringType())
_SOURCE = {"topic": "string", "partition": "integer", "offset": "long"}
COORDINATES = tuple(_SOURCE)

# Bytes as they came, from Kafka or a file; (topic, partition, offset) is unique; timestamp: when received.
RAW = _schema(**_SOURCE, timestamp="timestamp", key="binary", value="binary")
# Valid events; in silver each event_id once.
EVENT = _schema(
    event_id="string", event_type="string", user_id="string", title_id="string", event_time="timestamp",
    value="double", properties=T.MapType(T.StringType(), T.StringType()), **_SOURCE, event_date="date",
)  # fmt: skip
# Valid posts; in silver each post_id once; title_id is never null.
POST = _schema(
    post_id="string", text="string", event_time="timestamp", title_id="string", title="string",
    author_id="string", source="string", language="string", **_SOURCE, event_date="date",
)  # fmt: skip
# The catalogue, each title_id once.
TITLE = _schema(
    title_id="string", name="string", year="integer", genres=_STRINGS, talents=_STRINGS, brand="string", plot="string"
)
# What people say a post feels, of posts.FEELINGS, to learn from; each post_id once.
LABEL = _schema(post_id="string", feeling="string")
# As it was while posts were positive or not.
LABEL_1 = _schema(post_id="string", positive="boolean")
# One row per rejected record, its bytes untouched; file: where it is from, null for a record of the broker.
# fix: what was tried last; fixed: its bytes as they keep the rules, null as long as they do not; replay: the run that
# took it, from when on `fixed` stays as it is; replayed_at: when the broker had acknowledged it.
QUARANTINE = _schema(
    reason="string", **_SOURCE, timestamp="timestamp", key="binary", value="binary", file="string", fix="string",
    fixed="binary", replay="string", replayed_at="timestamp",
)  # fmt: skip
# What a record that was just rejected does not have.
MARKS = ("fix", "fixed", "replay", "replayed_at")

SEEN = _schema(time="long", event="long", title="string", strength="long")
ACCOUNT = _schema(time="long", event="long", attributes=T.MapType(T.StringType(), T.StringType()))
_AMOUNTS = T.MapType(T.StringType(), T.LongType())
# An aggregate of unit tiles; sums in millionths, times in microseconds.
TILE = _schema(
    counts=_AMOUNTS, watched="long", rated="long", genres=_AMOUNTS, first="long", last="long",
    account=ACCOUNT, history=T.ArrayType(SEEN),
)  # fmt: skip
# One row per user; days holds the newest ones, without history and account.
PROFILE = _schema(user_id="string", lifetime=TILE, days=T.ArrayType(_schema(day="long", tile=TILE)))
# One row per generation, entity and use case; record is the stored JSON.
PREDICTION = _schema(generation="integer", entity="string", use_case="string", record="string")
# One row per generation, use case, who answered, and lag (its bucket); answered: batch or speed with the night's
# models, the same after "incumbent:", or a baseline; borrowed: the lags whose cases were pooled with its own.
BACKTEST = _schema(
    generation="integer", use_case="string", answered="string", lag="string", value="double",
    standard_error="double", cases="integer", borrowed=_STRINGS,
)  # fmt: skip
# One row per generation; horizon in RFC 3339, report in JSON; twins: the models that its backtest measured.
GENERATION = _schema(
    generation="integer", horizon="string", run_id="string", report="string", models="binary", twins="binary",
    fidelity="string",
)  # fmt: skip
# One row per person who was erased, by the SHA-256 of the id; moment in microseconds.
ERASURE = _schema(person="string", moment="long", asked_at="string", asked_by="string")


class SchemaError(ValueError):
    """A frame lacks a column of its border or has it with another type."""


def conform(schema: T.StructType) -> Transform:
    """Exactly the schema's columns, in order; raises SchemaError naming what is missing or retyped."""

    def conformed(frame: DataFrame) -> DataFrame:
        have = {field.name: field.dataType for field in frame.schema}
        faults = [
            f"{field.name}: want {field.dataType.simpleString()}, have "
            f"{have[field.name].simpleString() if field.name in have else 'nothing'}"
            for field in schema
            if field.name not in have or not _same(have[field.name], field.dataType)
        ]
        if faults:
            raise SchemaError("; ".join(faults))
        return frame.select(*schema.names)

    return conformed


def with_nulls(schema: T.StructType, names: Iterable[str]) -> Transform:
    """The schema's columns of these names are null where the frame lacks them."""

    def filled(frame: DataFrame) -> DataFrame:
        absent = [name for name in names if name not in frame.columns]
        return frame.withColumns({name: F.lit(None).cast(schema[name].dataType) for name in absent})

    return filled


def _same(left: T.DataType, right: T.DataType) -> bool:
    return left.simpleString() == right.simpleString()
