"""The lake: Delta tables by layer, created with their schema, comment and owner. The only importer of delta."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import TypeVar

from delta import exceptions as rivalry
from delta.tables import DeltaMergeBuilder, DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch.schemas import conform
from lambda_arch.tables import OWNER, VERSION, Found, Older, Table, lacking

MIB = 1024 * 1024
# A write is tried so often where other programs write to the same table, or make it.
TRIES, RIVALS_APART_SECONDS = 20, 0.2
HALF_MADE_SECONDS = 0.5
RIVALRY = (
    rivalry.ConcurrentAppendException, rivalry.ConcurrentDeleteReadException, rivalry.ConcurrentDeleteDeleteException,
    rivalry.ConcurrentWriteException, rivalry.ProtocolChangedException, rivalry.MetadataChangedException,
)  # fmt: skip

Merge = Callable[[DeltaMergeBuilder], DeltaMergeBuilder]
Done = TypeVar("Done")


class Lake:
    """The tables below one root; every write carries the run id in its commit metadata."""

    def __init__(self, spark: SparkSession, root: str, run_id: str) -> None:
        self.spark = spark
        # Delta takes a relative path for the name of a table.
        self._root = root.rstrip("/") if "://" in root else str(Path(root).resolve())
        self.run_id = run_id

    def path(self, table: Table) -> str:
        """Where the table lies."""
        return f"{self._root}/{table.name}"

    def exists(self, table: Table) -> bool:
        """Whether the table is there."""
        if not DeltaTable.isDeltaTable(self.spark, self.path(table)):
            # Delta remembers what it saw while another program was making it as no table, until it is read.
            with suppress(AnalysisException):
                self.read(table)
        return DeltaTable.isDeltaTable(self.spark, self.path(table))

    def check(self, *tables: Table) -> None:
        """Write nothing; raises LakeError where a table that is there cannot be used, now or after `create`."""
        for table in tables:
            self._found(table)

    def create(self, *tables: Table) -> None:
        """Make the tables that are not there yet, and bring older ones up to date.

        Raises LakeError, before anything is written, where one of them is newer or otherwise different.
        """
        for table, found in [(table, self._found(table)) for table in tables]:
            if found is None:
                self._make(table)
            elif found.older:
                self._rewrite(table, found.older)
            elif found.missing or found.version < table.version:
                self._extend(table, found.missing)

    def version(self, table: Table) -> int:
        """The number of the table's newest commit: what reads it now reads that."""
        newest = DeltaTable.forPath(self.spark, self.path(table)).history(1).select("version").collect()
        return int(newest[0].version)

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The table as it stands each time that it is looked at, or as it stood at a version."""
        reader = self.spark.read.format("delta")
        return (reader if version is None else reader.option("versionAsOf", version)).load(self.path(table))

    def stream(self, table: Table) -> DataFrame:
        """The table's appends, as a stream; what is deleted from it is passed over."""
        reader = self.spark.readStream.format("delta").option("skipChangeCommits", "true")
        return reader.load(self.path(table))

    def append(self, frame: DataFrame, table: Table) -> None:
        """Append the rows."""
        frame.write.format("delta").mode("append").option("userMetadata", self.run_id).save(self.path(table))

    def insert_new(self, frame: DataFrame, table: Table, *keys: str) -> int:
        """Insert the rows whose key the table does not have; what it has stays. Twice is once.

        Answers how many were inserted. The frame has each key once.
        """
        done = self._merged(frame, table, keys, lambda merge: merge.whenNotMatchedInsertAll())
        return int(done["num_inserted_rows"])

    def update_known(self, frame: DataFrame, table: Table, *keys: str, where: str) -> int:
        """Set the frame's further columns in the rows whose key the table has and for which `where` holds.

        `where` is SQL over `stored` and `new`. Answers how many were set. The frame has each key once.
        """
        changes: dict[str, str | Column] = {name: f"new.`{name}`" for name in frame.columns if name not in keys}
        done = self._merged(frame, table, keys, lambda merge: merge.whenMatchedUpdate(where, changes))
        return int(done["num_updated_rows"])

    def delete_known(self, frame: DataFrame, table: Table, where: Column) -> int:
        """Delete the rows for which `where`, over `stored` and the frame as `new`, holds; answers how many.

        The rows are gone from the table at once, from its files by `vacuum`.
        """
        self._named()

        def deleted() -> Row:
            target = DeltaTable.forPath(self.spark, self.path(table)).alias("stored")
            return target.merge(frame.alias("new"), where).whenMatchedDelete().execute().collect()[0]

        return int(_persistently(deleted)["num_deleted_rows"])

    def vacuum(self, table: Table, hours: float) -> None:
        """Remove the files that no version of the last hours needs: the table cannot be read as it was before."""
        self.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        DeltaTable.forPath(self.spark, self.path(table)).vacuum(hours)

    def replace_where(self, frame: DataFrame, table: Table, condition: str) -> None:
        """Replace the rows that meet the condition by the frame's, in one commit."""
        writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        writer.option("userMetadata", self.run_id).save(self.path(table))

    def compact(self, table: Table, file_mib: int) -> tuple[int, int]:
        """Put files smaller than so many MiB together, up to that size; answers how many became how many.

        The same rows: readers, streams of the table and whoever appends to it notice nothing.
        """
        for bound in ("minFileSize", "maxFileSize"):
            self.spark.conf.set(f"spark.databricks.delta.optimize.{bound}", str(file_mib * MIB))
        self._named()
        place = self.path(table)
        done = _persistently(lambda: DeltaTable.forPath(self.spark, place).optimize().executeCompaction().collect()[0])
        return int(done.metrics.numFilesRemoved), int(done.metrics.numFilesAdded)

    def _merged(self, frame: DataFrame, table: Table, keys: Sequence[str], what: Merge) -> Row:
        """A merge by its keys; answers its counts."""
        same = reduce(Column.__and__, [F.col(f"stored.{key}") == F.col(f"new.{key}") for key in keys])
        self._named()

        def merged() -> Row:
            target = DeltaTable.forPath(self.spark, self.path(table)).alias("stored")
            return what(target.merge(frame.alias("new"), same)).execute().collect()[0]

        return _persistently(merged)

    def _named(self) -> None:
        self.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", self.run_id)

    def _make(self, table: Table) -> None:
        def make() -> None:
            builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table)).addColumns(table.schema)
            builder = builder.comment(table.comment).property("owner", OWNER).property("source", table.name)
            for name, value in table.properties.items():
                builder = builder.property(name, value)
            if table.partitioned_by:
                builder = builder.partitionedBy(*table.partitioned_by)
            builder.execute()

        # A table that another program is just making is, for a moment, a folder that is none.
        _persistently(make, AnalysisException, pause=HALF_MADE_SECONDS)

    def _found(self, table: Table) -> Found | None:
        if not self.exists(table):
            return None
        properties = self.spark.sql(f"SHOW TBLPROPERTIES delta.`{self.path(table)}`").collect()
        version = next((int(row.value) for row in properties if row.key == VERSION), 1)
        return lacking(table, version, self.read(table).schema)

    def _rewrite(self, table: Table, older: Older) -> None:
        rows = self.read(table).transform(older.become).transform(conform(table.schema))
        writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.option("userMetadata", self.run_id).save(self.path(table))
        self._extend(table, ())

    def _extend(self, table: Table, columns: Sequence[T.StructField]) -> None:
        # The version last: stopped in between, the next call finds nothing missing and writes it.
        place = f"ALTER TABLE delta.`{self.path(table)}`"
        self._named()
        if columns:
            added = ", ".join(f"`{column.name}` {column.dataType.simpleString()}" for column in columns)
            self.spark.sql(f"{place} ADD COLUMNS ({added})")
        properties = ", ".join(f"'{name}' = '{value}'" for name, value in table.properties.items())
        self.spark.sql(f"{place} SET TBLPROPERTIES ({properties})")


def _persistently(action: Callable[[], Done], *further: type[Exception], pause: float = 0.0) -> Done:
    """What the action answers; begun anew where another program changed the table meanwhile, or at further faults."""
    for tries in range(1, TRIES):
        with suppress(*RIVALRY, *further):
            return action()
        # Rivals that begin anew at once meet again and again; the longer it goes on, the further apart they begin.
        time.sleep(pause + random.uniform(0, tries * RIVALS_APART_SECONDS))
    return action()
