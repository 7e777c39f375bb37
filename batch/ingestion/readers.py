"""Files and databases -> rows that know where they stand: their columns, and PLACE.

The rows of a block (a stretch of a file that one task reads) come in the file's order, `nth` growing by one from
row to row. How a file is cut into blocks may differ from run to run; the order of all its rows may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyspark import RDD
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from batch.ingestion.avro import avro_columns, avro_rows
from batch.ingestion.mapping import Format, IngestError, Mapping
from batch.ingestion.sqlite import selection, sqlite_columns, sqlite_rows
from batch.ingestion.text import as_text
from lambda_arch.schemas import ArrowFunction

PLACE = ("_file", "_block", "_nth")
# A line that is not JSON; its columns are then null.
BROKEN = "_corrupt_record"
ROWS_PER_BATCH = 10_000

# A second file whose header has other columns, or others first, is an error and not a row of nonsense.
_SPARK_READS: dict[Format, dict[str, str]] = {
    "csv": {"header": "true", "enforceSchema": "false"},
    "json": {"primitivesAsString": "true", "columnNameOfCorruptRecord": BROKEN},
    "parquet": {},
    "orc": {},
}
_SEQUENCE_INPUT = "org.apache.hadoop.mapreduce.lib.input.SequenceFileInputFormat"
_TEXT = "org.apache.hadoop.io.Text"
# Spark asks for Hadoop's own file system here, whichever the session has.
_HADOOP = {"fs.file.impl": "org.apache.hadoop.fs.LocalFileSystem", "fs.file.impl.disable.cache": "true"}

Rows = Callable[[str], Iterator[dict[str, Any]]]
# Key, value, file, block.
_Sequenced = tuple[str | None, str | None, str, int]


def read(spark: SparkSession, paths: Sequence[str], mapping: Mapping) -> DataFrame:
    """The rows of the files, or of the mapping's database; raises IngestError, or what the format raises."""
    if mapping.format == "jdbc":
        return _extract(spark, paths, mapping)
    files = _files(spark, paths, mapping.format)
    if mapping.format == "avro":
        return _by_file(spark, paths, columns := avro_columns(files[0]), partial(avro_rows, columns=columns))
    if mapping.format == "sqlite":
        query = selection(mapping.options)
        columns = sqlite_columns(files[0], query)
        return _by_file(spark, paths, columns, partial(sqlite_rows, query=query, columns=columns))
    if mapping.format == "sequencefile":
        return _with_fields(_sequences(spark, files), mapping.options)
    options = _SPARK_READS[mapping.format] | mapping.options
    rows = spark.read.format(mapping.format).options(**options).load(list(paths))
    if not rows.columns:
        raise IngestError(f"{', '.join(paths)}: empty: there are no columns in it; give a file with rows")
    return _placed(rows, "_metadata.file_path", "_metadata.file_block_start")


def shown(uri: str) -> str:
    """A file's name for people: a path where it is local."""
    return unquote(urlsplit(uri).path) if uri.startswith("file:") else unquote(uri)


def _files(spark: SparkSession, paths: Sequence[str], form: Format) -> list[str]:
    """The files below the paths, as URIs, in the order of their names."""
    if not paths:
        raise IngestError(f"format {form} reads files: give their paths")
    files = sorted(spark.read.format("binaryFile").load(list(paths)).inputFiles())
    if not files:
        raise IngestError(f"{', '.join(paths)}: no files there; check the path")
    return files


def _placed(rows: DataFrame, file: str, block: str) -> DataFrame:
    place = F.col(file).alias("_file"), F.expr(block).cast("long").alias("_block")
    return rows.select("*", *place, F.monotonically_increasing_id().alias("_nth"))


def _by_file(spark: SparkSession, paths: Sequence[str], columns: pa.Schema, rows: Rows) -> DataFrame:
    """Every file read by Python where a task is, from beginning to end: a file is one block."""
    files = spark.read.format("binaryFile").load(list(paths)).select("_metadata.file_path")
    schema = columns.append(pa.field("_file", pa.string()))
    placed = files.mapInArrow(_records(schema, rows), from_arrow_schema(schema))
    return _placed(placed.withColumnRenamed("_file", "_of"), "_of", "0").drop("_of")


def _records(schema: pa.Schema, rows: Rows) -> ArrowFunction:
    def records(files: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for uri in (uri for batch in files for uri in batch.column(0).to_pylist()):
            found = rows(uri)
            while some := list(islice(found, ROWS_PER_BATCH)):
                yield pa.RecordBatch.from_pylist([{**row, "_file": uri} for row in some], schema)

    return records


def _sequences(spark: SparkSession, files: Sequence[str]) -> DataFrame:
    """The records of SequenceFiles: `key` and `value` as text."""
    context = spark.sparkContext
    found: RDD[Any] = context.union([_sequence(spark, file) for file in files])
    rows = spark.createDataFrame(found, "key string, value string, of string, block long")
    return _placed(rows, "of", "block").drop("of", "block")


def _sequence(spark: SparkSession, uri: str) -> RDD[_Sequenced]:
    place = {"mapreduce.input.fileinputformat.inputdir": shown(uri).replace(",", "\\,")}
    pairs: RDD[tuple[Any, Any]] = spark.sparkContext.newAPIHadoopRDD(
        _SEQUENCE_INPUT, _TEXT, _TEXT, conf=_HADOOP | place
    )

    def texts(block: int, records: Iterable[tuple[Any, Any]]) -> Iterable[_Sequenced]:
        return ((as_text(key), as_text(value), uri, block) for key, value in records)

    return pairs.mapPartitionsWithIndex(texts)


def _with_fields(rows: DataFrame, options: dict[str, str]) -> DataFrame:
    """The columns named in `fields`, out of `value`: by position between `sep`, or by name out of JSON."""
    names = [name.strip() for name in options.get("fields", "").split(",") if name.strip()]
    if not names:
        return rows
    if sep := options.get("sep"):
        # Split by the text itself, not by a pattern.
        parts = F.split("value", r"\Q" + sep + r"\E")
        return rows.withColumns({name: F.get(parts, F.lit(at)) for at, name in enumerate(names)})
    schema = ", ".join(f"`{name}` string" for name in [*names, BROKEN])
    parsed = rows.withColumn("_json", F.from_json("value", schema, {"columnNameOfCorruptRecord": BROKEN}))
    return parsed.select("*", "_json.*").drop("_json")


def _extract(spark: SparkSession, paths: Sequence[str], mapping: Mapping) -> DataFrame:
    """A table or query of a database, in the order of all its columns: a database promises none of its own."""
    if paths:
        raise IngestError(f"format jdbc reads a database: leave out {', '.join(paths)}")
    name = mapping.options.get("dbtable") or mapping.options["query"]
    rows = spark.read.format("jdbc").options(**mapping.options).load()
    ordered = rows.orderBy(*[F.col(f"`{column}`") for column in rows.columns])
    placed = ordered.select("*", F.lit(f"jdbc:{name}").alias("of"), F.spark_partition_id().alias("block"))
    return _placed(placed, "of", "block").drop("of", "block")
