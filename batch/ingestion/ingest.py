"""Files -> silver by a mapping: rows are read, numbered, mapped to records, and settled like the broker's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.ingestion.faults import READING, said, silent_tasks
from batch.ingestion.mapping import REQUIRED, IngestError, Mapping, Target
from batch.ingestion.numbering import numbered, numbering
from batch.ingestion.readers import BROKEN, PLACE, read
from batch.ingestion.report import IngestReport, reported
from lambda_arch.config import Events
from lambda_arch.lake import Lake
from lambda_arch.posts import FEELINGS
from lambda_arch.schemas import COORDINATES, MARKS, SchemaError, Transform, conform
from lambda_arch.silver import SILVER, checked_records, first_by, quarantine
from lambda_arch.tables import LABELS, QUARANTINE, TITLES, Table

Progress = Callable[[str], None]

# Spark's default keeps milliseconds only.
_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
_REMEDY = {
    "jdbc": "check the options url, dbtable or query, user; give Spark the driver's jar (put it into jars/spark below "
    "paths.var) and name its class in the option driver",
    "sqlite": "check the path, and the option table or query",
}
# What a column may say.
_KNOWN = {"feeling": FEELINGS}
_TABLES: dict[Target, tuple[Table, str]] = {
    "events": SILVER["events"],
    "posts": SILVER["posts"],
    "titles": (TITLES, "title_id"),
    "labels": (LABELS, "post_id"),
}


def ingest(
    lake: Lake,
    paths: Sequence[str],
    mapping: Mapping,
    received: int,
    settings: Events,
    *,
    dry_run: bool = False,
    rejects: int = 0,
    say: Progress = lambda _: None,
) -> IngestReport:
    """Write the files' rows to silver or quarantine; `received` (microseconds) says when. Twice is once.

    A dry run answers the same report and writes nothing. Raises IngestError for a file that cannot be read and for a
    column that is missing or has a wrong type, LakeError for a table that is not ours to write: all before a write.
    """
    table, key = _TABLES[mapping.target]
    lake.check(table, QUARANTINE)
    say("reading")
    with faults_named(lake.spark, paths, mapping):
        rows = read(lake.spark, paths, mapping).transform(with_row(mapping)).persist()
        known = numbering(rows, F.col("taken"), _hash(rows, mapping))
        if not known.files:
            raise IngestError(f"{_named(paths)}: no rows; give files with rows, of format {mapping.format}")
    say("checking")
    records = numbered(rows, known).transform(mapped(mapping, received))
    checked = records.transform(_check(mapping, settings)).select(*_kept(table)).persist()
    fresh = checked.transform(_fresh(lake, table, key, mapping)).persist()
    report = reported(mapping, known.files, checked, fresh, rejects, dry_run)
    if not dry_run:
        say("writing")
        _write(lake, table, key, checked, fresh, report)
    for kept in (fresh, checked, rows):
        kept.unpersist()
    return report


def mapped(mapping: Mapping, received: int) -> Transform:
    """Numbered rows -> raw records of those taken, with `file`, and the mapped columns besides, as the struct `row`.

    `value` is the JSON of what is not null in `row`, or the line itself where it is not JSON. `partition` is a
    number for the file's content and `offset` the row in it, so that the same file again has the same coordinates
    and another file under the same name has others.
    """
    origin = {
        "topic": F.lit(f"file:{mapping.name}"),
        "timestamp": F.timestamp_micros(F.lit(received)),
        "key": F.lit(None).cast("binary"),
        "value": value(),
    }
    return lambda rows: rows.where("taken").withColumns(origin).drop("taken", BROKEN)


def value() -> Column:
    """The bytes of a taken row's record: the JSON of its mapped columns, or its line where that is broken."""
    return F.coalesce(F.col(BROKEN).cast("binary"), F.to_json("row", _JSON).cast("binary"))


def checked_rows(table: Table, required: Sequence[str]) -> Transform:
    """Records -> the table's columns (null or an empty list where not mapped), coordinates, `record` and `reason`."""
    missing = [F.when(F.col(name).isNull(), F.lit(f"missing_field:{name}")) for name in required]
    strange = [
        F.when(~F.col(name).isin(*known), F.lit(f"out_of_range:{name}"))
        for name, known in _KNOWN.items()
        if name in table.schema.names
    ]

    def checked(records: DataFrame) -> DataFrame:
        origin = (*COORDINATES, "timestamp", "key", "file", F.col("value").alias("record"))
        rows = records.select("row.*", *origin)
        absent = [field for field in table.schema if field.name not in rows.columns]
        nothing = {field.name: F.lit(None).cast(field.dataType) for field in absent}
        lists = {name: F.coalesce(name, F.array().cast("array<string>")) for name in _lists(table)}
        return rows.withColumns(nothing).withColumns(lists).withColumn("reason", F.coalesce(*missing, *strange))

    return checked


@contextmanager
def faults_named(spark: SparkSession, paths: Sequence[str], mapping: Mapping) -> Iterator[None]:
    """What reading raises becomes an IngestError with the files, the fault and a remedy."""
    try:
        with silent_tasks(spark):
            yield
    except IngestError:
        raise
    except READING as error:
        remedy = _REMEDY.get(mapping.format, "check the path and the format")
        raise IngestError(f"{_named(paths)}: not readable as {mapping.format}: {said(error)}; {remedy}") from None


def with_row(mapping: Mapping) -> Transform:
    """A file's rows -> `row` (the mapped columns), whether it is `taken`, the line if it is broken, and its place."""

    def with_row(rows: DataFrame) -> DataFrame:
        fields = [_column(rows, name, mapping) for name in mapping.columns]
        broken = F.col(BROKEN) if BROKEN in rows.columns else F.lit(None).cast("string")
        taken = _taken(rows, mapping) | broken.isNotNull()
        return rows.select(F.struct(*fields).alias("row"), taken.alias("taken"), broken.alias(BROKEN), *PLACE)

    return with_row


def _hash(rows: DataFrame, mapping: Mapping) -> Column:
    types = {name: rows.select(f"row.{name}").schema[0].dataType.simpleString() for name in mapping.columns}
    # Spark hashes no maps.
    fields = [F.to_json(f"row.{name}") if "map<" in kind else F.col(f"row.{name}") for name, kind in types.items()]
    return F.xxhash64(*fields, BROKEN)


def _check(mapping: Mapping, settings: Events) -> Transform:
    if mapping.target in ("events", "posts"):
        check = checked_records(mapping.target, settings)
        return lambda records: records.drop("row").transform(check)
    table, _ = _TABLES[mapping.target]
    return checked_rows(table, REQUIRED[mapping.target])


def _kept(table: Table) -> list[str]:
    """What silver and quarantine want of checked records."""
    origin = [name for name in QUARANTINE.schema.names if name not in ("value", *MARKS)]
    return [*dict.fromkeys([*origin, "record", *table.schema.names])]


def _fresh(lake: Lake, table: Table, key: str, mapping: Mapping) -> Transform:
    """Checked records -> the valid ones that the table does not have, with their `file`; raises IngestError."""

    def fresh(checked: DataFrame) -> DataFrame:
        rows = checked.transform(first_by(key))
        try:
            rows.transform(conform(table.schema))
        except SchemaError as error:
            raise IngestError(f"mapping {mapping.name}: {error}; cast it in the mapping's columns") from None
        new = rows.join(lake.read(table).select(key), on=key, how="left_anti") if lake.exists(table) else rows
        return new.select(*table.schema.names, "file")

    return fresh


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths) or "the database"


def _write(lake: Lake, table: Table, key: str, checked: DataFrame, fresh: DataFrame, report: IngestReport) -> None:
    lake.create(table, QUARANTINE)
    if report.counts.rejected:
        quarantine(lake, checked)
    if report.counts.new:
        lake.insert_new(fresh.transform(conform(table.schema)), table, key)


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
        have = ", ".join(name for name in rows.columns if name not in PLACE)
        raise IngestError(f"{place}: {expression}: {said(error)}; the file has the columns {have}") from None
    return column
