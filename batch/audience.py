"""Scored users -> lists in the store: each segment's members, and those about to leave, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from batch.publish import PublishError
from lambda_arch.audience import CHURN, PIECE, Listed, Lists, Piece
from lambda_arch.config import Store as StoreSettings
from lambda_arch.generations import pieces_there
from lambda_arch.schemas import ArrowFunction
from lambda_arch.store import Store, StoreError

LISTED = "list string, piece int, users array<string>, probabilities array<double>"
_DONE = pa.schema([
    ("list", pa.string()), ("piece", pa.int32()), ("members", pa.int64()), ("lowest", pa.float64()),
    ("fault", pa.string()),
])  # fmt: skip


def publish_lists(scored: DataFrame, store: Store, settings: StoreSettings, generation: int) -> Lists:
    """Write the lists of what a generation says of users, of schema SCORED; answers what was written.

    Raises StoreError where the store is full or away, PublishError where it lost a piece.
    """
    done = listed(scored).mapInArrow(_written_to(settings, generation), _ddl()).collect()
    if fault := next((row.fault for row in done if row.fault), None):
        raise StoreError(fault)
    lists = Lists(generation, _lists(done))
    store.put_lists(lists)
    wanted, there = len(lists.piece_keys()), pieces_there(store, generation)
    if there != wanted:
        raise PublishError(f"generation {generation}: {there} of {wanted} pieces of its lists in the store; "
                           "run the night again")  # fmt: skip
    return lists


def listed(scored: DataFrame) -> DataFrame:
    """Scored entities -> the lists' pieces, of schema LISTED: by falling probability, and by user id."""
    said = scored.select("entity", F.explode("records").alias("said")).select(
        F.expr("substring(entity, 3)").alias("user"),
        _list().alias("list"),
        F.when(F.col("said.use_case") == CHURN, _value("probability").cast("double")).alias("probability"),
    )
    # A list is put in order by one task: a row has an id and a number, and what is too much for memory is spilled.
    order = Window.partitionBy("list").orderBy(F.desc("probability"), "user")
    placed = said.where(F.col("list").isNotNull()).withColumn("place", F.row_number().over(order))
    one = F.struct("place", "user", "probability")
    pieces = placed.groupBy("list", F.floor((F.col("place") - 1) / PIECE).cast("int").alias("piece")).agg(
        F.sort_array(F.collect_list(one)).alias("ones")
    )
    return pieces.select(
        "list", "piece", F.col("ones.user").alias("users"), F.col("ones.probability").alias("probabilities")
    )


def _list() -> Column:
    """The list that a record puts its user on; null where none."""
    segment = F.concat(F.lit("segment:"), _value("segment"))
    use_case = F.col("said.use_case")
    return F.when(use_case == CHURN, F.lit(CHURN)).when(use_case == "segment", segment)


def _value(name: str) -> Column:
    return F.get_json_object("said.record", f"$.value.{name}")


def _written_to(settings: StoreSettings, generation: int) -> ArrowFunction:
    """Pieces -> what was written of each, or the fault that ended it."""

    def written(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = Store(settings.url, settings.ttl_days)
        with closing(store.redis):
            for batch in batches:
                yield _done(store, generation, batch)

    return written


def _done(store: Store, generation: int, batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = [
        (row["list"], row["piece"], Piece(row["users"], _probabilities(row)))
        for row in batch.to_pylist()
    ]  # fmt: skip
    fault = None
    try:
        store.put_pieces(generation, rows)
    except StoreError as error:  # told by the driver: an executor's exception is a stack trace
        fault = str(error)
    told = [
        {"list": name, "piece": number, "members": len(piece.users), "fault": fault,
         "lowest": piece.probabilities[-1] if piece.probabilities else None}
        for name, number, piece in rows
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(told, _DONE)


def _probabilities(row: dict[str, object]) -> list[float]:
    return list(row["probabilities"]) if row["list"] == CHURN else []  # type: ignore[call-overload]


def _lists(done: list[Row]) -> dict[str, Listed]:
    found = {}
    for name, rows in groupby(sorted(done, key=lambda row: (row.list, row.piece)), key=lambda row: row.list):
        pieces = list(rows)
        lowest = [piece.lowest for piece in pieces] if name == CHURN else []
        found[name] = Listed(sum(piece.members for piece in pieces), len(pieces), lowest)
    return found


def _ddl() -> str:
    return "list string, piece int, members bigint, lowest double, fault string"
