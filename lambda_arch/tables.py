"""The lake's tables: where each lies, its schema, what it promises; and what a stored one lacks of that."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch import schemas

OWNER = "lambda-arch"
# Holds the version of a table's schema; a table without it has the first.
VERSION = "lambda_arch.schema"
EXTREMES = "delta.dataSkippingStatsColumns"


class LakeError(RuntimeError):
    """A table of the lake is not as this program knows it; the message names the table and the remedy."""


@dataclass(frozen=True)
class Older:
    """A schema that a table had, and how rows of it become rows of the present one."""

    version: int
    schema: T.StructType
    become: schemas.Transform


@dataclass(frozen=True)
class Table:
    """A table's place in the lake, its schema, and what it promises; another schema is another version.

    An older schema needs to be told only where it differs by more than missing columns. `extremes`: the columns whose
    smallest and largest value in each file the log keeps; all where none is named.
    """

    name: str
    schema: T.StructType
    comment: str
    partitioned_by: tuple[str, ...] = ()
    version: int = 1
    older: Older | None = None
    extremes: tuple[str, ...] = ()

    @property
    def properties(self) -> dict[str, str]:
        """What belongs to this version of the table where it is stored."""
        extremes = {EXTREMES: ",".join(self.extremes)} if self.extremes else {}
        return {VERSION: str(self.version), **extremes}


def _with_feelings(labels: DataFrame) -> DataFrame:
    feeling = F.when(F.col("positive"), "positive").when(~F.col("positive"), "negative")
    return labels.select("post_id", feeling.alias("feeling"))


BRONZE = Table("bronze/kafka", schemas.RAW, "Kafka records as they came; (topic, partition, offset) is unique")
QUARANTINE = Table(
    "bronze/quarantine", schemas.QUARANTINE,
    "Records that break a rule, untouched, with the reason; (topic, partition, offset) is unique", version=3,
)  # fmt: skip
# Not partitioned: twenty years of days are thousands of tiny files, nine times slower to read; the files'
# statistics of event_date skip as well.
# The log outlives the rows: of people it must know no id.
EVENTS = Table(
    "silver/events", schemas.EVENT, "Valid events, each event_id once", version=2, extremes=("event_time", "event_date")
)
POSTS = Table("silver/posts", schemas.POST, "Valid posts, each post_id once")
LABELS = Table(
    "silver/labels", schemas.LABEL, "What posts feel, as labelled by people; each post_id once", version=2,
    older=Older(1, schemas.LABEL_1, _with_feelings),
)  # fmt: skip
TITLES = Table("silver/titles", schemas.TITLE, "The catalogue, each title_id once")
PREDICTIONS = Table(
    "gold/predictions", schemas.PREDICTION, "What each generation says", ("generation",), version=2,
    extremes=("use_case",),
)  # fmt: skip
BACKTESTS = Table(
    "gold/backtests", schemas.BACKTEST, "How good each answer was by lag, as each night measured it", ("generation",)
)
GENERATIONS = Table("gold/generations", schemas.GENERATION, "Published generations with models and report", version=2)
# Made with the first erasure.
ERASURES = Table("gold/erasures", schemas.ERASURE, "Who was erased until when, each person once, by a hash of the id")
TABLES = (BRONZE, QUARANTINE, EVENTS, POSTS, LABELS, TITLES, PREDICTIONS, BACKTESTS, GENERATIONS)


@dataclass(frozen=True)
class Found:
    """A table as it is stored: its schema's version, the columns that it lacks, and whether its rows must change."""

    version: int
    missing: tuple[T.StructField, ...] = ()
    older: Older | None = None


def lacking(table: Table, version: int, schema: T.StructType) -> Found:
    """What a stored table of this version and schema lacks.

    Raises LakeError where it is newer, or different by more than missing columns.
    """
    place = f"lake table {table.name}"
    if version > table.version:
        raise LakeError(
            f"{place} has schema version {version}, this program knows up to {table.version}: "
            "upgrade the program, or set paths.lake to another lake"
        )
    if table.older and (version, _types(schema)) == (table.older.version, _types(table.older.schema)):
        return Found(version, older=table.older)
    known = _types(table.schema)
    strange = [field for field in schema if known.get(field.name) != field.dataType.simpleString()]
    if strange:
        fields = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in strange)
        raise LakeError(
            f"{place} of schema version {version} has {fields}, which version {table.version} does not: "
            "move the table away and fill it again from its source, or set paths.lake to another lake"
        )
    return Found(version, tuple(field for field in table.schema if field.name not in schema.names))


def _types(schema: T.StructType) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in schema}
