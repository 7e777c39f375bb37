"""Erasures in the lake: their registry, and the rows of whom they are about.

Found by the SHA-256 of the user's id, which is all that the registry knows. Of raw records the id is that in their
JSON, else their key. What has no time that counts goes where it was received before the erasure was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lambda_arch.clock import MINUTE, parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.erasures import Erasure, latest
from lambda_arch.lake import Lake
from lambda_arch.rules import moment
from lambda_arch.schemas import ERASURE
from lambda_arch.tables import BRONZE, ERASURES, EVENTS, GENERATIONS, PREDICTIONS, QUARANTINE, Table

TOUCHED = (BRONZE, QUARANTINE, EVENTS, PREDICTIONS)


def registered(lake: Lake) -> dict[str, Erasure]:
    """The lake's registry, by person."""
    if not lake.exists(ERASURES):
        return {}
    return latest(Erasure(**row.asDict()) for row in lake.read(ERASURES).collect())


def erase(lake: Lake, erasures: Iterable[Erasure], config: Config) -> dict[str, int]:
    """Enter the erasures, and delete what the lake has of everybody who was ever erased, up to then. Twice is once.

    Answers how many rows of each table. Records that came in since the last time are found as well.
    """
    known = latest([*registered(lake).values(), *erasures])
    if not known:
        return {}
    lake.create(*TOUCHED, GENERATIONS, ERASURES)
    rows = [msgspec.structs.asdict(erasure) for erasure in known.values()]
    frame = lake.spark.createDataFrame(rows, ERASURE)
    lake.insert_new(frame, ERASURES, "person")
    lake.update_known(frame, ERASURES, "person", where="new.moment > stored.moment")
    ahead = config.events.max_ahead_minutes * MINUTE
    people = frame.select("person", "moment", F.to_timestamp("asked_at").alias("asked"))
    return {
        BRONZE.name: lake.delete_known(
            people, BRONZE, _raw(F.col("stored.topic") == config.kafka.topics.events, ahead)
        ),
        QUARANTINE.name: lake.delete_known(people, QUARANTINE, _raw(F.lit(True), ahead)),
        EVENTS.name: lake.delete_known(people, EVENTS, _until(F.col("stored.user_id"), F.col("stored.event_time"))),
        PREDICTIONS.name: lake.delete_known(_said_before(lake, people), PREDICTIONS, _said()),
    }


def vacuum(lake: Lake, hours: float, tables: Iterable[Table] = TOUCHED) -> None:
    """Remove the files in which deleted rows still are, once no version of the last hours needs them."""
    for table in tables:
        lake.vacuum(table, hours)


def _raw(concerned: Column, ahead: int) -> Column:
    """A raw record of an erased person: of a time until the moment, or of none that the rules let pass."""
    user = _user_of_raw(F.col("stored.value"), F.col("stored.key"))
    time = F.unix_micros(moment(F.get_json_object(F.col("stored.value").cast("string"), "$.event_time")))
    counts = F.coalesce(time <= F.unix_micros("stored.timestamp") + F.lit(ahead), F.lit(False))
    gone = F.when(counts, time <= F.col("new.moment")).otherwise(F.col("stored.timestamp") <= F.col("new.asked"))
    return concerned & (F.sha2(user, 256) == F.col("new.person")) & F.coalesce(gone, F.lit(False))


def _user_of_raw(value: Column, key: Column) -> Column:
    in_json = F.get_json_object(value.cast("string"), "$.user_id")
    return F.coalesce(F.nullif(in_json, F.lit("")), key.cast("string"))


def user_in(entity: Column) -> Column:
    """The id of `u:ID`; null of a title."""
    return F.when(entity.startswith("u:"), F.substring(entity, 3, 1000))


def _until(user: Column, time: Column) -> Column:
    return (F.sha2(user, 256) == F.col("new.person")) & (F.unix_micros(time) <= F.col("new.moment"))


def _said_before(lake: Lake, people: DataFrame) -> DataFrame:
    """(person, generation) of the generations that can have known the person as it was."""
    rows = lake.read(GENERATIONS).select("generation", "horizon").collect()
    horizons = [(row.generation, parse_rfc3339(row.horizon)) for row in rows]
    generations = lake.spark.createDataFrame(horizons, "generation int, horizon long")
    return people.join(F.broadcast(generations), on=F.col("horizon") <= F.col("moment"), how="inner")


def _said() -> Column:
    user = user_in(F.col("stored.entity"))
    return (F.sha2(user, 256) == F.col("new.person")) & (F.col("stored.generation") == F.col("new.generation"))


def held(lake: Lake, user_id: str, config: Config) -> dict[str, list[Any]]:
    """All that the lake has of a user, by table: raw records as text, events, and what generations said."""
    of_user = F.lit(user_id)
    raw = _user_of_raw(F.col("value"), F.col("key")) == of_user
    chosen = {
        BRONZE: (F.col("topic") == config.kafka.topics.events) & raw,
        QUARANTINE: raw,
        EVENTS: F.col("user_id") == of_user,
        PREDICTIONS: F.col("entity") == F.lit(f"u:{user_id}"),
    }
    return {table.name: _rows(lake, table, where) for table, where in chosen.items() if lake.exists(table)}


def _rows(lake: Lake, table: Table, where: Column) -> list[Any]:
    rows = lake.read(table).where(where)
    texts = {name: F.col(name).cast("string") for name, kind in rows.dtypes if kind == "binary"}
    told = rows.withColumns(texts).select(F.to_json(F.struct("*")).alias("told"))
    return [json.loads(row.told) for row in told.collect()]
