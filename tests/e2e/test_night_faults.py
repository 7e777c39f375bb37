"""The night as a process, on what it cannot use: one line with the remedy, an exit code, and readers miss nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import redis
from audience import HORIZON, audience
from night_process import NightProcess, Place, Told
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from store_server import StoreServer

from batch.judgement.gate import NEEDED
from jobs.nights import REFUSED_CODE
from lambda_arch.clock import DAY
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import decode_models, encode_models
from lambda_arch.store import Store
from lambda_arch.tables import GENERATIONS, TITLES

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
DATABASE, ROOM = 11, 250_000
NEXT = HORIZON + DAY
FIRST = Generations(current=1, current_horizon=HORIZON, epoch=1)


@pytest.fixture(scope="module")
def place(spark: SparkSession, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An audience of which nobody cancels, and whose posts are all labelled positive."""
    place = Place(tmp_path_factory.mktemp("faults"), f"{store_url.removesuffix('/0')}/{DATABASE}", {})
    place.store().redis.flushdb()
    planted = audience()
    stayed = [event for event in planted.events if event["event_type"] != "cancel"]
    place.plant(spark, planted._replace(events=stayed, labels=dict.fromkeys(planted.labels, True)))
    yield place
    place.store().redis.flushdb()


@pytest.fixture(scope="module")
def first(place: Place) -> Told:
    """The night at HORIZON."""
    return place.night(HORIZON).ended()


def test_one_class_alone_keeps_a_use_case_out_of_service_and_says_what_is_needed(place: Place, first: Told) -> None:
    assert first.code == 0, first.errors
    report = first.report
    assert sorted(report["models"]) == ["recommend", "segment"]
    assert place.store().generations() == FIRST
    reasons = {"churn": "labelled accounts stayed", "sentiment": "all labelled posts are positive"}
    for use_case, reason in reasons.items():
        [check] = report["verdicts"][use_case]["checks"]
        assert reason in check["sentence"]
        assert check["sentence"].endswith(NEEDED[use_case])
        [line] = [line for line in first.output.splitlines() if f"use_case={use_case}" in line]
        assert "accepted=False" in line
        assert check["sentence"] in line


def test_fewer_users_than_the_floor_refuse_the_night(place: Place, first: Told) -> None:
    told = place.night(NEXT, BATCH__GATE__MIN_USERS="1000").ended()
    assert (told.code, told.reason.endswith("users, fewer than batch.gate.min_users = 1000")) == (REFUSED_CODE, True)
    untouched(told, place.store())


@pytest.fixture
def small_store(tmp_path: Path) -> Iterator[Store]:
    """A store with a limit on its memory, where generation 1 is in service."""
    server = StoreServer(tmp_path, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    server.start()
    store = Store(server.url, 1)
    store.flip(1, HORIZON)
    yield store
    store.redis.close()
    server.stop()


def filled(store: Store, room: int) -> None:
    """Leave so many bytes, of which connections take some."""
    limit, number = store.redis.info("memory")["maxmemory"] - room, 0
    with suppress(redis.OutOfMemoryError):  # what is sent takes room as well
        while store.redis.info("memory")["used_memory"] < limit:
            store.redis.set(f"ballast:{number}", b"x" * 1000)
            number += 1


@pytest.mark.parametrize(("room", "stage"), [(ROOM, "publish"), (0, "")], ids=["it fills up", "it is full already"])
def test_a_store_out_of_memory_ends_the_night_with_the_remedy(
    place: Place, first: Told, small_store: Store, room: int, stage: str
) -> None:
    filled(small_store, room)
    night = replace(place, url=url_of(small_store)).night(NEXT)
    if stage:
        night.reached(stage)
    told = night.ended()
    assert told.code == 1
    assert "store is out of memory" in told.reason
    assert "raise its `maxmemory`" in told.reason
    untouched(told, small_store)


def test_an_incumbent_of_another_release_is_compared_with_nothing_and_still_counts_users(
    place: Place, first: Told, spark: SparkSession
) -> None:
    lake = place.lake(spark)
    [row] = lake.read(GENERATIONS).where("generation = 1").collect()
    older = encode_models(msgspec.structs.replace(decode_models(bytes(row.models)), schema=2))
    changed = lake.read(GENERATIONS).withColumn("models", F.lit(bytearray(older)))
    lake.replace_where(changed.where("generation = 1"), GENERATIONS, "generation = 1")
    refused = place.night(NEXT, BATCH__GATE__MIN_SHARE="1.5").ended()
    assert refused.code == REFUSED_CODE
    assert "users, less than batch.gate.min_share = 1.5 of the 141 in service" in refused.reason
    told = place.night(NEXT).ended()
    assert told.code == 0, told.errors
    [warning] = told.report["warnings"]
    assert warning.startswith("generation 1 cannot be compared with")
    assert "models of schema 2" in warning
    assert warning in told.output
    assert told.report["evidence"]["recommend"]["incumbent"] is None
    assert place.store().generations() == Generations(told.report["generation"], NEXT, 1, HORIZON, epoch=2)


def test_a_lake_table_of_a_newer_release_ends_night_and_ingestion_before_they_write(
    spark: SparkSession, store_url: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, f"{store_url.removesuffix('/0')}/{DATABASE}", {})
    Lake(spark, place.config.paths.lake, "newer").create(replace(TITLES, version=7))
    (tmp_path / "titles.csv").write_text("id,name\n1,Heat\n")
    (tmp_path / "titles.yaml").write_text("{name: t, target: titles, format: csv, columns: {title_id: id, name: name}}")
    ingest = ["-m", "jobs.cli", "ingest", str(tmp_path / "titles.csv"), "--mapping", str(tmp_path / "titles.yaml")]
    pointer = place.store().generations()
    for process, code in ((place.night(NEXT), 1), (NightProcess(ingest, place), 2)):
        told = process.ended()
        assert told.code == code, told.errors
        assert "lake table silver/titles has schema version 7, this program knows up to 1: upgrade" in told.reason
        assert "Traceback" not in told.errors + told.output
    assert [table.name for table in (tmp_path / "lake").glob("*/*")] == ["titles"]
    assert place.store().generations() == pointer


def untouched(told: Told, store: Store) -> None:
    """Readers have what they had, and were not shown a stack trace."""
    assert store.generations() == FIRST
    assert "Traceback" not in told.errors + told.output
    assert "\tat " not in told.errors


def url_of(store: Store) -> str:
    """The address that a store is reached at."""
    place = store.redis.connection_pool.connection_kwargs
    return f"redis://{place['host']}:{place['port']}/0"
