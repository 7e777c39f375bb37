"""What a night reads: rows and version of each table."""

from __future__ import annotations

from functools import reduce

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.known import Known
from lambda_arch.tables import EVENTS, LABELS, POSTS, TITLES


class Source(msgspec.Struct, frozen=True):
    """Rows of a table that were known at the horizon, and the table's version in the lake that was read."""

    rows: int
    version: int


def sources(known: Known) -> dict[str, Source]:
    """Every table that the night learns from, by name."""
    frames = {EVENTS: known.events, POSTS: known.posts, LABELS: known.labels, TITLES: known.titles}
    counts = [
        frame.agg(F.count("*").alias("rows")).select(F.lit(table.name).alias("name"), "rows")
        for table, frame in frames.items()
    ]
    rows = {row.name: row.rows for row in reduce(DataFrame.unionAll, counts).collect()}
    return {table.name: Source(rows[table.name], known.versions[table.name]) for table in frames}
