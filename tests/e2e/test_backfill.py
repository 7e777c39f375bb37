"""Nights of a range, and missed nights, as processes over a real lake and store: in order, each a generation."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from audience import HORIZON, audience
from night_process import NIGHT_SECONDS, NightProcess, Place, Told
from pyspark.sql import SparkSession

from lambda_arch.clock import DAY, HOUR, rfc3339
from lambda_arch.keys import Generations
from lambda_arch.tables import GENERATIONS

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
DATABASE = 12
DAYS = [HORIZON + n * DAY for n in range(4)]
BACKFILL = ["-m", "jobs.cli", "backfill", "--from", "2016-03-01", "--to", "2016-03-02"]


@pytest.fixture(scope="module")
def place(spark: SparkSession, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Viewers alone: what these nights are about is their order."""
    place = Place(tmp_path_factory.mktemp("backfill"), f"{store_url.removesuffix('/0')}/{DATABASE}", {})
    place.store().redis.flushdb()
    viewers = [event for event in audience().events if not event["user_id"].startswith("c")]
    place.plant(spark, audience()._replace(events=viewers, posts=[], labels={}))
    yield place
    place.store().redis.flushdb()


def in_lake(place: Place, spark: SparkSession) -> list[tuple[int, str]]:
    """Generations and their horizons in the order of their commits."""
    history = spark.sql(f"DESCRIBE HISTORY delta.`{place.lake(spark).path(GENERATIONS)}`")
    runs = [row.userMetadata for row in history.orderBy("version").collect() if row.operation == "WRITE"]
    rows = {row.run_id: (row.generation, row.horizon) for row in place.lake(spark).read(GENERATIONS).collect()}
    return [rows[run] for run in runs]


@pytest.fixture(scope="module")
def filled(place: Place) -> Told:
    """A backfill of two nights."""
    return NightProcess(BACKFILL, place).ended()


def test_a_backfill_runs_the_nights_of_a_range_in_order_and_once(
    place: Place, spark: SparkSession, filled: Told
) -> None:
    assert filled.code == 0, filled.errors
    said = [line for line in filled.output.splitlines() if line.endswith((" published", " already"))]
    assert said == [
        "2 nights to run, 0 are there already", f"{rfc3339(DAYS[0])} published", f"{rfc3339(DAYS[1])} published"
    ]  # fmt: skip
    assert place.store().generations() == Generations(2, DAYS[1], 1, DAYS[0], epoch=2)
    assert in_lake(place, spark) == [(1, rfc3339(DAYS[0])), (2, rfc3339(DAYS[1]))]
    again = NightProcess(BACKFILL, place).ended()
    assert (again.code, again.output.splitlines()[-1]) == (0, "0 nights to run, 2 are there already")


def test_the_scheduler_catches_up_what_was_missed_by_the_event_clock_and_stops_when_told(
    place: Place, spark: SparkSession, filled: Told
) -> None:
    store = place.store()
    store.advance_clock(DAYS[3] + HOUR)
    scheduler = NightProcess(["-m", "jobs.cli", "schedule"], place)
    deadline = time.monotonic() + NIGHT_SECONDS
    while store.generations().current_horizon < DAYS[3]:
        assert scheduler.running(), scheduler.ended().errors
        assert time.monotonic() < deadline
        time.sleep(0.2)
    scheduler.stop()
    told = scheduler.ended()
    assert told.code == 0, told.errors
    assert store.generations() == Generations(4, DAYS[3], 3, DAYS[2], epoch=4)
    assert in_lake(place, spark)[2:] == [(3, rfc3339(DAYS[2])), (4, rfc3339(DAYS[3]))]
