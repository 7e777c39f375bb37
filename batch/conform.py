"""Bronze -> silver, as far as nobody has brought it there yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from pyspark.sql import DataFrame

from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.silver import Counts, settle_topics
from lambda_arch.tables import BRONZE, EVENTS, POSTS, QUARANTINE


def conform_bronze(lake: Lake, config: Config) -> Counts:
    """Settle what bronze has received since the last call; a checkpoint remembers how far. Raises on failure.

    Of what the archive has settled meanwhile nothing is new.
    """
    if not lake.exists(BRONZE):
        return Counts()
    lake.create(EVENTS, POSTS, QUARANTINE)
    counts: list[Counts] = []

    def write(batch: DataFrame, _: int) -> None:
        counts.extend(settle_topics(lake, batch, config))

    stream = lake.stream(BRONZE).writeStream.foreachBatch(write).trigger(availableNow=True)
    stream.option("checkpointLocation", f"{config.paths.checkpoints}/conform").start().awaitTermination()
    return _total(counts)


def _total(counts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(getattr(part, field.name) for part in counts) for field in fields(Counts)))
