"""Scored users -> the lists of a generation, in pieces, in a real store."""

from __future__ import annotations

import json

import msgspec
import pytest
from archived import empty_store
from pyspark.sql import DataFrame, SparkSession

from batch.audience import publish_lists
from batch.publish import SCORED, PublishError
from lambda_arch.audience import Listed, Lists, decode_lists, decode_piece
from lambda_arch.config import Config
from lambda_arch.records import UnknownSchemaError
from lambda_arch.store import Store, StoreError

pytestmark = [pytest.mark.servers, pytest.mark.spark]
DATABASE = 13
RISKS = {"a": 0.5, "Zoë, \n}": 0.9, "b": 0.5, "c": 0.05, "é": 0.5}
SEGMENTS = {"a": 0, "b": 4, "c": 0, "d": 0}


@pytest.fixture
def place(config: Config, store_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Config, Store]:
    """An empty store, into which lists go by two users a piece."""
    monkeypatch.setattr("batch.audience.PIECE", 2)
    return empty_store(config, store_url, DATABASE)


def scored(spark: SparkSession) -> DataFrame:
    """Users of whom something is said, one of whom nothing is, and a title."""
    said: dict[str, list[tuple[str, str]]] = {"nobody": []}
    for user, risk in RISKS.items():
        said.setdefault(user, []).append(("churn", json.dumps({"value": {"probability": risk}})))
    for user, segment in SEGMENTS.items():
        said.setdefault(user, []).append(("segment", json.dumps({"value": {"segment": segment}})))
    rows = [(f"u:{user}", b"", records) for user, records in said.items()]
    return spark.createDataFrame([*rows, ("t:a", b"", [("sentiment", "{}")])], SCORED)


def test_lists_are_in_pieces_the_likeliest_first_and_equals_by_id(
    spark: SparkSession, place: tuple[Config, Store]
) -> None:
    config, store = place
    lists = publish_lists(scored(spark), store, config.store, 7)
    assert lists == store.lists(7) == Lists(7, {
        "churn": Listed(5, 3, [0.5, 0.5, 0.05]), "segment:0": Listed(3, 2), "segment:4": Listed(1, 1),
    })  # fmt: skip
    stored = {key: decode_piece(store.redis.get(key)) for key in lists.piece_keys()}
    churn = [stored[f"la:audience:7:churn:{number}"] for number in range(3)]
    assert [piece.users for piece in churn] == [["Zoë, \n}", "a"], ["b", "é"], ["c"]]
    assert [piece.probabilities for piece in churn] == [[0.9, 0.5], [0.5, 0.5], [0.05]]
    segments = [stored[f"la:audience:7:segment:{name}"].users for name in ("0:0", "0:1", "4:0")]
    assert segments == [["a", "c"], ["d"], ["b"]]
    assert all(0 < store.redis.ttl(key) <= config.store.ttl_days * 86400 for key in ["la:audience:7", *stored])


@pytest.mark.parametrize(("probability", "piece"), [(1.0, 0), (0.5, 0), (0.4, 2), (0.05, 2), (0.01, 3)])
def test_who_is_at_most_as_likely_is_found_without_the_pieces_before(probability: float, piece: int) -> None:
    assert Lists(7, {"churn": Listed(6, 3, [0.5, 0.45, 0.05])}).first("churn", probability) == piece


def test_a_night_without_users_has_no_lists(spark: SparkSession, place: tuple[Config, Store]) -> None:
    config, store = place
    assert publish_lists(spark.createDataFrame([], SCORED), store, config.store, 7) == Lists(7)
    assert Lists(7).of("churn") == Listed(0, 0)


def test_a_store_that_is_away_is_named_with_the_remedy(spark: SparkSession, config: Config) -> None:
    unreachable = config.store.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    with pytest.raises(StoreError, match="lambda-arch up"):
        publish_lists(scored(spark), Store(unreachable.url, 1), unreachable, 7)


def test_a_store_that_lost_a_piece_is_refused(
    spark: SparkSession, place: tuple[Config, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, store = place
    monkeypatch.setattr(store, "put_lists", lambda lists: (Store.put_lists(store, lists), lose(store)))
    with pytest.raises(PublishError, match="generation 7: 5 of 6 pieces of its lists"):
        publish_lists(scored(spark), store, config.store, 7)


def lose(store: Store) -> None:
    store.redis.delete("la:audience:7:segment:4:0")


def test_lists_of_another_release_are_refused() -> None:
    with pytest.raises(UnknownSchemaError, match="upgrade first"):
        decode_lists(msgspec.json.encode(Lists(7, schema=2)))
