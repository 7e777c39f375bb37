"""Files -> silver by a mapping: rows are `read`, `mapped` to records, and settled like the broker's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from batch.conform import COORDINATES, Counts, Kind, settle, settled
from batch.mapping import REQUIRED, IngestError, Mapping, Target
from lambda_arch.config import Events
from lambda_arch.lake import LABELS, TITLES, Lake, Table
from lambda_arch.schemas import RAW, SchemaError, Transform

_READERS: dict[str, dict[str, str]] = {
    "csv": {"header": "true"},
    "json": {"primitivesAsString": "true"},
    "parquet": {},
}
# PySpark does not know all of its JVM's exceptions.
_FAULTS = (PySparkException, Py4JJavaError)
_BROKEN = "_corrupt_record"
# Spark's default keeps milliseconds only.
_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
_RECORDS: dict[Target, Kind] = {"events": "events", "posts": "posts"}
_TABLES: dict[Target, tuple[Table, str]] = {"titles": (TITLES, "title_id"), "labels": (LABELS, "post_id")}


@dataclass(frozen=True)
class IngestReport:
    """What became of the files' rows."""

    mapping: str
    target: Target
    files: tuple[str, ...]
    counts: Counts

    def sentence(self) -> str:
        """The report for people."""
        counts = self.counts
        return (
            f"{self.mapping}: {counts.received} rows: {counts.valid} valid, {counts.new} of them new in "
            f"{self.target}; {counts.rejected} rejected into quarantine"
        )


def ingest(lake: Lake, paths: Sequence[str], mapping: Mapping, received: int, settings: Events) -> IngestReport:
    """Write the files' rows to silver or quarantine; `received` (microseconds) says when. Twice is once.

    Raises IngestError for a file that cannot be read, and for a column that is missing or has a wrong type.
    """
    records = read(lake, paths, mapping).transform(mapped(mapping, received)).persist()
    try:
        _read_all(records, paths, mapping)
        counts = _settle(lake, records, mapping, settings)
    finally:
        records.unpersist()
    return IngestReport(mapping.name, mapping.target, tuple(paths), counts)


def read(lake: Lake, paths: Sequence[str], mapping: Mapping) -> DataFrame:
    """The files' rows; raises IngestError naming files that cannot be read."""
    reader = lake.spark.read.format(mapping.format).options(**_READERS[mapping.format]).options(**mapping.options)
    try:
        return reader.load(list(paths))
    except _FAULTS as error:
        raise _unreadable(paths, mapping, error) from None


def mapped(mapping: Mapping, received: int) -> Transform:
    """A file's rows -> raw records, with the mapped columns besides, as the struct `row`.

    `value` is the JSON of what is not null in `row`, or the line itself where it is not JSON. `partition` is a
    number for the file's content and `offset` the row in it, so that the same file again has the same coordinates
    and another file under the same name has others. Raises IngestError naming a wrong expression.
    """

    def records(rows: DataFrame) -> DataFrame:
        fields = [_column(rows, name, mapping) for name in mapping.columns]
        value = F.to_json(F.struct(*fields), _JSON).cast("binary")
        broken = F.col(_BROKEN).cast("binary") if _BROKEN in rows.columns else F.lit(None).cast("binary")
        taken = rows.where(_taken(rows, mapping) | broken.isNotNull()).select(
            F.struct(*fields).alias("row"),
            F.coalesce(broken, value).alias("value"),
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("block"),
            F.monotonically_increasing_id().alias("nth"),
        )
        return taken.withColumns(_coordinates(mapping.name, received)).select(*RAW.names, "row")

    return records


def _coordinates(name: str, received: int) -> dict[str, Column]:
    file = Window.partitionBy("file")
    content = F.xxhash64(F.sum(F.xxhash64("value")).over(file))
    return {
        "topic": F.lit(f"file:{name}"),
        "partition": F.pmod(content, F.lit(2**31)).cast("integer"),
        "offset": F.row_number().over(file.orderBy("block", "nth")).cast("long") - 1,
        "timestamp": F.timestamp_micros(F.lit(received)),
        "key": F.lit(None).cast("binary"),
    }


def _settle(lake: Lake, records: DataFrame, mapping: Mapping, settings: Events) -> Counts:
    if kind := _RECORDS.get(mapping.target):
        return settle(lake, records, kind, settings)
    table, key = _TABLES[mapping.target]
    try:
        return settled(lake, records.transform(checked_rows(table, REQUIRED[mapping.target])), table, key)
    except SchemaError as error:
        raise IngestError(f"mapping {mapping.name}: {error}; cast it in the mapping's columns") from None


def checked_rows(table: Table, required: Sequence[str]) -> Transform:
    """Records -> the table's columns (null or an empty list where not mapped), coordinates, `record` and `reason`."""
    missing = [F.when(F.col(name).isNull(), F.lit(f"missing_field:{name}")) for name in required]

    def checked(records: DataFrame) -> DataFrame:
        origin = (*COORDINATES, "timestamp", "key", F.col("value").alias("record"))
        rows = records.select("row.*", *origin)
        absent = [field for field in table.schema if field.name not in rows.columns]
        nothing = {field.name: F.lit(None).cast(field.dataType) for field in absent}
        lists = {name: F.coalesce(name, F.array().cast("array<string>")) for name in _lists(table)}
        return rows.withColumns(nothing).withColumns(lists).withColumn("reason", F.coalesce(*missing))

    return checked


def _lists(table: Table) -> list[str]:
    return [field.name for field in table.schema if field.dataType.typeName() == "array"]


def _column(rows: DataFrame, name: str, mapping: Mapping) -> Column:
    return _usable(rows, mapping.columns[name], f"mapping {mapping.name}: column {name}").alias(name)


def _taken(rows: DataFrame, mapping: Mapping) -> Column:
    return F.coalesce(_usable(rows, mapping.where, f"mapping {mapping.name}: where"), F.lit(False))


def _usable(rows: DataFrame, expression: str, place: str) -> Column:
    """The expression; raises IngestError where it does not fit the file's columns."""
    try:
        column = F.expr(expression)
        rows.select(column)
    except PySparkException as error:
        have = ", ".join(rows.columns)
        raise IngestError(f"{place}: {expression}: {_said(error)}; the file has the columns {have}") from None
    return column


def _read_all(records: DataFrame, paths: Sequence[str], mapping: Mapping) -> None:
    """Fills the cache, so that a fault of the files is told from one of the lake."""
    try:
        records.count()
    except _FAULTS as error:
        raise _unreadable(paths, mapping, error) from None


def _unreadable(paths: Sequence[str], mapping: Mapping, error: Exception) -> IngestError:
    files = ", ".join(paths)
    return IngestError(f"{files}: not readable as {mapping.format}: {_said(error)}; check the path and the format")


def _said(error: Exception) -> str:
    """The first line of Spark's message: a stack trace follows it."""
    message = error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else error
    return next(iter(str(message).splitlines()), type(error).__name__)
