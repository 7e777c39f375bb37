"""Features as Spark Columns: an event's unit tile, and profiles as sums of unit tiles.

The numeric counterpart is `lambda_arch.tiles`; a parity test holds the two together.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lambda_arch.schemas import ACCOUNT, PROFILE, SEEN, Transform, conform
from lambda_arch.tiles import EVENT_TYPES, MILLION, RECENT_DAYS, Account, Profile, Seen, Tile

LIST_ADD_STRENGTH = 0.5


def unit_tile() -> dict[str, Column]:
    """A valid event's contribution, in whole millionths; null where the event type has none."""
    event_type, value = F.col("event_type"), F.col("value")
    strength = (
        F.when(event_type == "view", value)
        .when(event_type == "rating", value / 5)
        .when(event_type == "list_add", F.lit(LIST_ADD_STRENGTH))
    )
    return {
        "id_hash": F.xxhash64("event_id"),
        "watched": F.when(event_type == "view", _millionths(value)),
        "rated": F.when(event_type == "rating", _millionths(value)),
        "strength": _millionths(strength),
        "attributes": F.when(event_type == "account", F.col("properties")),
        "time": F.unix_micros("event_time"),
    }


def profiles(titles: DataFrame, history_limit: int) -> Transform:
    """Valid, distinct events -> one profile per user. `titles` gives the genres; its title_id is unique."""

    def aggregated(events: DataFrame) -> DataFrame:
        units = events.withColumns(unit_tile()).withColumn("day", F.unix_date(F.to_date("event_time")).cast("bigint"))
        genres = titles.select("title_id", F.array_distinct("genres").alias("genres"))
        known = units.join(F.broadcast(genres), on="title_id", how="left")
        lifetime = _summed(known, ["user_id"]).join(_history(units, history_limit), on="user_id", how="left")
        newest_day = F.max("day").over(Window.partitionBy("user_id"))
        recent = known.withColumn("newest", newest_day).where(F.col("day") > F.col("newest") - RECENT_DAYS)
        day = F.struct("day", _tile(_nothing(ACCOUNT), _none_of(SEEN)).alias("tile"))
        days = _summed(recent, ["user_id", "day"]).groupBy("user_id").agg(F.collect_list(day).alias("days"))
        tile = _tile(_account(), F.coalesce("history", _none_of(SEEN)))
        named = lifetime.select("user_id", tile.alias("lifetime"))
        return named.join(days, on="user_id", how="left").transform(conform(PROFILE))

    return aggregated


def profile_of_row(row: dict[str, Any]) -> Profile:
    """A row of schema PROFILE, as Arrow gives it, as the Profile that scores."""
    days = {part["day"]: _tile_of_row(part["tile"]) for part in row["days"] or ()}
    return Profile(_tile_of_row(row["lifetime"]), dict(sorted(days.items())))


def _summed(units: DataFrame, keys: list[str]) -> DataFrame:
    is_account = F.col("attributes").isNotNull()
    newest = F.when(is_account, F.struct(F.col("time"), F.col("id_hash").alias("event")))
    sums = units.groupBy(*keys).agg(
        _counts().alias("counts"),
        F.coalesce(F.sum("watched"), F.lit(0)).alias("watched"),
        F.coalesce(F.sum("rated"), F.lit(0)).alias("rated"),
        F.min("time").alias("first"),
        F.max("time").alias("last"),
        F.max(newest).alias("account_at"),
        F.max_by("attributes", newest).alias("attributes"),
    )
    return sums.join(_genres(units, keys), on=keys, how="left")


def _counts() -> Column:
    pairs = [part for name in EVENT_TYPES for part in (F.lit(name), F.count_if(F.col("event_type") == name))]
    return F.map_filter(F.create_map(*pairs), lambda _, count: count > 0)


def _genres(units: DataFrame, keys: list[str]) -> DataFrame:
    strong = units.where(F.col("strength").isNotNull() & (F.size("genres") > 0))
    share = F.expr("strength div size(genres)").alias("weight")
    by_genre = strong.select(*keys, F.explode("genres").alias("genre"), share).groupBy(*keys, "genre")
    entries = F.collect_list(F.struct("genre", "weight"))
    return by_genre.agg(F.sum("weight").alias("weight")).groupBy(*keys).agg(F.map_from_entries(entries).alias("genres"))


def _history(units: DataFrame, limit: int) -> DataFrame:
    seen = F.struct(F.col("time"), F.col("id_hash").alias("event"), F.col("title_id").alias("title"), F.col("strength"))
    known = units.where(F.col("title_id").isNotNull() & F.col("strength").isNotNull())
    newest = known.groupBy("user_id", "title_id").agg(F.max(seen).alias("seen"))
    in_order = F.slice(F.sort_array(F.collect_list("seen"), asc=False), 1, limit)
    return newest.groupBy("user_id").agg(in_order.alias("history"))


def _tile(account: Column, history: Column) -> Column:
    genres = F.coalesce("genres", F.create_map().cast("map<string,bigint>"))
    return F.struct(
        "counts", "watched", "rated", genres.alias("genres"), "first", "last", account.alias("account"),
        history.alias("history"),
    )  # fmt: skip


def _account() -> Column:
    account = F.struct("account_at.time", "account_at.event", "attributes")
    return F.when(F.col("account_at").isNotNull(), account)


def _nothing(schema: T.StructType) -> Column:
    return F.lit(None).cast(schema)


def _none_of(schema: T.StructType) -> Column:
    return F.array().cast(T.ArrayType(schema))


def _millionths(value: Column) -> Column:
    return F.round(value * MILLION).cast("bigint")


def _tile_of_row(row: dict[str, Any]) -> Tile:
    account = row["account"]
    return Tile(
        counts=dict(sorted(row["counts"])),
        watched=row["watched"],
        rated=row["rated"],
        genres=dict(sorted(row["genres"])),
        first=row["first"],
        last=row["last"],
        account=account and Account(account["time"], account["event"], dict(account["attributes"])),
        history=tuple(Seen(seen["time"], seen["event"], seen["title"], seen["strength"]) for seen in row["history"]),
    )
