"""Files -> records for the broker, by the mapping by which they could be ingested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from batch.ingestion.ingest import faults_named, value, with_row
from batch.ingestion.mapping import IngestError, Mapping
from batch.ingestion.readers import read

Topic = Literal["events", "posts"]

# By what a topic's records are keyed; of a post the first that the mapping has.
_KEYS: dict[Topic, Sequence[str]] = {"events": ("user_id",), "posts": ("title_id", "post_id")}


class Outgoing(NamedTuple):
    """A record as it is to be sent."""

    topic: Topic
    key: bytes | None
    value: bytes


def outgoing(spark: SparkSession, paths: Sequence[str], mapping: Mapping) -> list[Outgoing]:
    """The files' rows as records, in memory; raises IngestError where `ingest` would, and for other targets."""
    if mapping.target not in ("events", "posts"):
        raise IngestError(f"mapping {mapping.name}: only events and posts are streamed, {mapping.target} are not")
    named = [F.col(f"row.{name}").cast("string") for name in _KEYS[mapping.target] if name in mapping.columns]
    with faults_named(spark, paths, mapping):
        rows = read(spark, paths, mapping).transform(with_row(mapping)).where("taken")
        found = rows.select(F.coalesce(*named).cast("binary").alias("key"), value().alias("value")).collect()
    return [Outgoing(mapping.target, None if row.key is None else bytes(row.key), bytes(row.value)) for row in found]
