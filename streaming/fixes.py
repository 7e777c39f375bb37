"""Fixes of rejected records: Spark SQL over a record's fields, set in its JSON, and judged by the rules anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch.config import Events
from lambda_arch.contract import EVENT_FIELDS, POST_FIELDS
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import COORDINATES, Transform
from streaming.rejects import QuarantineError, place

Kind = Literal["events", "posts"]
Fix = Mapping[str, str]
FIELDS: dict[Kind, tuple[str, ...]] = {"events": EVENT_FIELDS, "posts": POST_FIELDS}
# What an expression may use beside the fields.
BESIDE = ("fields", "coordinates", "received")

# Spark's default keeps milliseconds only; a field that is set to null must be null, which the rules take for missing.
_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "ignoreNullFields": "false"}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fix_of(texts: Sequence[str]) -> dict[str, str]:
    """The fix of `FIELD=EXPRESSION` texts; raises QuarantineError for a text that is none or a field set twice."""
    fix: dict[str, str] = {}
    for text in texts:
        name, equals, expression = (part.strip() for part in text.partition("="))
        if not (name and equals and expression):
            raise QuarantineError(f"{text}: want FIELD=EXPRESSION, such as value=value / 100")
        if name in fix:
            raise QuarantineError(f"{text}: {name} is set twice")
        fix[name] = expression
    return fix


def told(fix: Fix) -> str | None:
    """The fix as it is kept with a record; None where nothing is changed."""
    return "; ".join(f"{name} = {expression}" for name, expression in fix.items()) or None


def patched(record: bytes, changes: bytes) -> bytes:
    """A record (JSON) with the fields of `changes` set, all others as they were; what is no object stays as it is."""
    try:
        fields = _object.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return record
    return msgspec.json.encode({**fields, **_object.decode(changes)})


def attempted(kind: Kind, fix: Fix) -> Transform:
    """Rejected rows -> the same with `attempt`: their bytes after the fix.

    An expression sees the contract's fields as text (null where missing), all fields as the map `fields`,
    `coordinates` (TOPIC/PARTITION/OFFSET) and `received`. Raises QuarantineError for one that does not fit.
    """

    def attempts(rows: DataFrame) -> DataFrame:
        if not fix:
            return rows.withColumn("attempt", F.col("value"))
        text = F.from_json(F.col("value").cast("string"), "map<string,string>").alias("fields")
        known = rows.select(F.struct("*").alias("row"), text, place().alias("coordinates"))
        by_name = {name: F.col("fields")[name] for name in FIELDS[kind]}
        known = known.withColumns({**by_name, "received": F.col("row.timestamp")})
        changes = F.to_json(F.struct(*[_usable(known, name, fix[name], kind) for name in fix]), _JSON)
        changed = known.select("row.*", changes.cast("binary").alias("changes"))
        with_attempt = T.StructType([*rows.schema, T.StructField("attempt", T.BinaryType())])
        return changed.mapInArrow(_patched, with_attempt)

    return attempts


def judged(kind: Kind, settings: Events, now: int) -> Transform:
    """Rows with `attempt` -> the same with `verdict`: the reason for which the attempt would be rejected now, or null.

    The rules are the gate's; `now` (microseconds) is when it would be received.
    """
    check = {"events": checked_events, "posts": checked_posts}[kind](settings)

    def with_verdict(rows: DataFrame) -> DataFrame:
        received = F.timestamp_micros(F.lit(now)).alias("timestamp")
        raw = rows.select(*COORDINATES, received, "key", F.col("attempt").alias("value"), F.struct("*").alias("row"))
        return raw.transform(check).select("row.*", F.col("reason").alias("verdict"))

    return with_verdict


def _patched(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        pairs = zip(batch.column("value").to_pylist(), batch.column("changes").to_pylist(), strict=True)
        attempts = pa.array([patched(record or b"", changes) for record, changes in pairs], pa.binary())
        yield batch.drop_columns(["changes"]).append_column("attempt", attempts)


def _usable(known: DataFrame, name: str, expression: str, kind: Kind) -> Column:
    try:
        column = F.expr(expression).alias(name)
        known.select("row", column)  # beside the row, so that an aggregate is none
    except PySparkException as error:
        fault = next(line for line in str(error).splitlines() if line.strip())
        have = ", ".join((*FIELDS[kind], *BESIDE))
        told = f"{fault} (a record of {kind} has {have}; --topic chooses those of one topic)"
        raise QuarantineError(f"{name}={expression}: {told}") from None
    return column
