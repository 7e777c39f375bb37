"""Spark's profiles equal the numeric merge of unit tiles, field by field, for any events and any horizon."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from archived import profiles_in
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lambda_arch.clock import DAY, day_of
from lambda_arch.config import load_config
from lambda_arch.features import profiles
from lambda_arch.rules import checked_events
from lambda_arch.schemas import EVENT, RAW, TITLE, conform
from lambda_arch.tiles import Event, Profile, merge_profiles, merge_tiles, profile_of, unit_tile
from streaming.gate import gated_events

LIMIT = 5
HORIZON_DAYS = (0, 1, 17, 30, 44, 45)
START = datetime(2016, 3, 1, tzinfo=UTC)
GENRES = {
    "t0": ["Drama"],
    "t1": ["Comedy", "Drama"],
    "t2": ["Action", "Comedy", "Drama"],
    "t3": [],
    "t4": ["Drama", "Drama"],
}
pytestmark = pytest.mark.spark


def random_record(rng: random.Random, number: int) -> dict[str, Any]:
    event_type = rng.choice(("view", "rating", "list_add", "search", "account", "support", "cancel", "impression"))
    moment = START + timedelta(
        days=rng.randrange(45), seconds=rng.choice((0, 0, 1, 86399)), microseconds=rng.choice((0, 7))
    )
    record: dict[str, Any] = {
        "event_id": f"e{number}", "event_type": event_type, "user_id": f"u{rng.randrange(40)}",
        "event_time": moment.isoformat(),
    }  # fmt: skip
    if event_type in ("view", "rating", "list_add", "impression"):
        record["title_id"] = f"t{rng.randrange(9)}"
    if event_type in ("view", "rating"):
        record["value"] = round(rng.random(), 7) if event_type == "view" else rng.choice((0.5, 3.5, 5.0))
    if event_type == "account":
        record["properties"] = {"plan": rng.choice("abc"), "charges": str(rng.randrange(100))}
    return record


@pytest.fixture(scope="module")
def raw(spark: SparkSession) -> DataFrame:
    """Three thousand random events of forty users, on two partitions, in a random order."""
    rng = random.Random(20160101)
    encoded = [msgspec.json.encode(random_record(rng, number)) for number in range(3000)]
    rows = [
        ("events", number % 2, number // 2, datetime(2026, 1, 1), None, value) for number, value in enumerate(encoded)
    ]
    return spark.createDataFrame(rows, RAW).persist()


@pytest.fixture(scope="module")
def titles(spark: SparkSession) -> DataFrame:
    rows = [(title, title, None, names, [], None, None) for title, names in GENRES.items()]
    return spark.createDataFrame(rows, TITLE)


def test_nothing_random_is_rejected(raw: DataFrame) -> None:
    assert raw.transform(checked_events(load_config({}).events)).where("reason is not null").count() == 0


def test_batch_before_any_horizon_and_unit_tiles_after_it_merge_to_the_batch_of_all(
    raw: DataFrame, titles: DataFrame
) -> None:
    first = day_of(int(START.timestamp()) * 1_000_000)
    silver = raw.transform(checked_events(load_config({}).events))
    silver = silver.withColumn("event_date", F.to_date("event_time")).transform(conform(EVENT))
    early = before_each_horizon(silver, [(first + day) * DAY for day in HORIZON_DAYS])
    found = profiles_in(early.transform(profiles(titles, LIMIT)))
    end = f"{(first + max(HORIZON_DAYS)) * DAY}/"
    wanted = {key.removeprefix(end): profile for key, profile in found.items() if key.startswith(end)}
    assert len(wanted) == 40
    for horizon in [(first + day) * DAY for day in HORIZON_DAYS]:
        after = streamed_profiles(raw, horizon)
        for user, profile in wanted.items():
            merged = merge_profiles(found.get(f"{horizon}/{user}", Profile()), after.get(user, Profile()), LIMIT)
            assert msgspec.to_builtins(merged) == msgspec.to_builtins(profile), (horizon, user)


def before_each_horizon(silver: DataFrame, horizons: list[int]) -> DataFrame:
    """The events before each horizon, as users of their own: one job for all horizons."""
    cut = silver.sparkSession.createDataFrame([(horizon,) for horizon in horizons], "horizon bigint")
    early = silver.crossJoin(cut).where(F.unix_micros("event_time") < F.col("horizon"))
    return early.withColumn("user_id", F.concat_ws("/", "horizon", "user_id")).drop("horizon")


def streamed_profiles(raw: DataFrame, horizon: int) -> dict[str, Profile]:
    """What the speed layer makes of what the gate hands on, in a random order."""
    settings = load_config({})
    gated = raw.transform(gated_events(settings.events, settings.kafka.topics)).select("value").collect()
    events = [msgspec.json.decode(bytes(row.value), type=Event) for row in gated]
    random.Random(7).shuffle(events)
    tiles: dict[str, dict[int, list[Any]]] = {}
    for event in events:
        if event.event_time >= horizon:
            unit = unit_tile(event, lambda title: tuple(dict.fromkeys(GENRES.get(title, []))))
            tiles.setdefault(event.user_id, {}).setdefault(day_of(event.event_time), []).append(unit)
    return {
        user: profile_of({day: merge_tiles(units, LIMIT) for day, units in days.items()}, LIMIT)
        for user, days in tiles.items()
    }
