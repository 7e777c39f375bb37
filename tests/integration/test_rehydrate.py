"""A lost store out of the lake: the generation as it was published, and what the stream had made since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from archived import archived, empty_store
from pyspark.sql import SparkSession
from store_content import content
from typer.testing import CliRunner

from batch.republish import NotEmptyError, republish
from batch.stored import NoGenerationError
from jobs.cli import app
from lambda_arch.config import Config
from lambda_arch.keys import speed_key
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.store import Store

pytestmark = [pytest.mark.servers, pytest.mark.spark]
DATABASE = 10


@pytest.fixture
def lost(lake: Lake, config: Config, store_url: str, small_models: Models) -> Iterator[tuple[Config, Store]]:
    """The store of a generation and of a stream, whose lake has all of it."""
    config, store, _ = archived(lake, config, store_url, DATABASE, small_models)
    yield config, store
    store.redis.flushdb()


def of_generation(store: Store) -> dict[bytes, Any]:
    """Everything in the store but what the speed layer wrote of entities, byte for byte: who saw new titles as well."""
    keys = [key for key in store.redis.keys("la:*") if not key.endswith(b":s") and b":said:" not in key]
    return {key: stored(store, key) for key in keys}


def stored(store: Store, key: bytes) -> Any:
    kind = store.redis.type(key)
    if kind == b"zset":
        return store.redis.zrange(key, 0, -1, withscores=True)
    return store.redis.hgetall(key) if kind == b"hash" else store.redis.get(key)


def test_an_emptied_store_is_as_it_was(
    lake: Lake, spark: SparkSession, lost: tuple[Config, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, store = lost
    generation, stream = of_generation(store), content(store)
    assert len([key for key in generation if b":g:" in key]) > 20
    assert len(stream) > 40
    assert len(generation[b"la:{t:e}:v"]) > 20
    store.redis.flushdb()
    monkeypatch.setattr("lambda_arch.session.spark_session", lambda *_: spark)
    monkeypatch.setattr("jobs.rehydrate.load_config", lambda: config)
    monkeypatch.setattr(spark, "stop", lambda: None)
    told = CliRunner().invoke(app, ["rehydrate"], catch_exceptions=False)
    assert told.stdout == "generation 2 is in service again; 352 archived records replayed\n"
    assert of_generation(store) == generation
    assert content(store) == stream
    with pytest.raises(NotEmptyError, match="has generation 2 in service"):
        republish(lake, store, config)


def test_a_store_that_the_stream_has_written_to_is_refused(lake: Lake, lost: tuple[Config, Store]) -> None:
    config, store = lost
    store.redis.delete("la:gen")
    before = of_generation(store)
    with pytest.raises(NotEmptyError, match="the stream has written to this store since it was lost"):
        republish(lake, store, config)
    assert of_generation(store) == before
    assert store.redis.exists(speed_key("u:user-1"))


def test_a_lake_without_the_generation_is_named(lake: Lake, config: Config, store_url: str) -> None:
    config, store = empty_store(config, store_url, DATABASE + 2)
    with pytest.raises(NoGenerationError, match="has no generation: run `lambda-arch night`"):
        republish(lake, store, config)
    with pytest.raises(NoGenerationError, match="no generation 7 in the lake"):
        republish(lake, store, config, 7)
    assert store.redis.keys("*") == []
