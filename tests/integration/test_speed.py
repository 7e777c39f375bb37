"""The speed layer as it runs: broker, gate, scorers, archive and store as processes, in both modes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from speed_stack import (
    accounted,
    archived,
    bronze,
    events,
    lag,
    messages,
    posts,
    rejects,
    size,
    source,
    speed_config,
    speed_stack,
    until,
)  # fmt: skip
from store_content import content, counts

from deploy import servers
from lambda_arch.clock import day_of, parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import speed_key
from lambda_arch.models import Models
from lambda_arch.records import USE_CASES
from lambda_arch.scorers import queries, rescored
from lambda_arch.states import decode_state
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event, Tile, merge_tiles, unit_tile
from streaming.produce import Record, produce
from streaming.triggers import Trigger

pytestmark = [pytest.mark.servers, pytest.mark.spark]
SEED, EVENTS, POSTS, HUGE = 20160102, 600, 60, 1_500_000


class Speed:
    """A stack in realtime mode to which everything was sent."""

    def __init__(self, config: Config, store: Store, horizon: int) -> None:
        self.config, self.store = config, store
        self.events, self.rejects = events(SEED, EVENTS, horizon), rejects(config)
        self.sent = [*self.events, *posts(SEED, POSTS, horizon)]
        self.sent += [Record(reject.topic, b"poison", reject.value) for reject in self.rejects]
        self.total = len(self.sent) + 1
        produce(config.kafka.bootstrap, self.sent, None, config.kafka.topics)
        self._send_huge()

    def _send_huge(self) -> None:
        """A record that the broker takes and a client by its default would not."""
        large = Producer({"bootstrap.servers": self.config.kafka.bootstrap, "message.max.bytes": 2 * HUGE})
        large.produce(self.config.kafka.topics.events, b"x" * HUGE, b"poison")
        assert large.flush(30) == 0


@pytest.fixture(scope="module")
def speed(tmp_path_factory: pytest.TempPathFactory, small_models: Models) -> Iterator[Speed]:
    config = speed_config(tmp_path_factory.mktemp("speed") / "var", scorers=2)
    with speed_stack(config, ["kafka", "store", "archive", "gate", "scorer"], small_models) as store:
        found = Speed(config, store, small_models.horizon)
        until(lambda: accounted(config, store) >= found.total)
        yield found


def test_every_record_sent_is_applied_or_a_duplicate_or_late_or_quarantined(speed: Speed) -> None:
    assert accounted(speed.config, speed.store) == speed.total
    total = counts(speed.store)
    assert size(speed.config, speed.config.kafka.topics.gated) == EVENTS + POSTS
    assert total.applied + total.duplicates + total.late == EVENTS + POSTS
    assert min(total.applied, total.duplicates, total.late) > 20


def test_what_breaks_a_rule_is_in_quarantine_with_its_reason_and_its_bytes(speed: Speed) -> None:
    found = messages(speed.config, speed.config.kafka.topics.quarantine)
    told = sorted((message.value() or b"", dict(message.headers())["reason"].decode()) for message in found)
    wanted = [(reject.value, reject.reason) for reject in speed.rejects]
    assert told == sorted([*wanted, (b"x" * HUGE, "too_large")])
    assert {message.key() for message in found} == {b"poison"}
    assert {name for message in found for name, _ in message.headers()} == {
        "reason", "source_topic", "source_partition", "source_offset", "seen_at",
    }  # fmt: skip


def test_each_users_tiles_are_the_merge_of_what_was_sent(speed: Speed, small_models: Models) -> None:
    # Spark's hash of an id is taken from what the gate handed on; all else from what was sent.
    gated = [json.loads(message.value() or b"") for message in messages(speed.config, speed.config.kafka.topics.gated)]
    hashes = {said["event_id"]: said["id_hash"] for said in gated if said["kind"] == "event"}
    units: dict[str, dict[int, list[Tile]]] = {}
    for record in dict.fromkeys(speed.events):
        event = event_of(json.loads(record.value), hashes)
        if event.event_time >= small_models.horizon:
            days = units.setdefault(f"u:{event.user_id}", {})
            days.setdefault(day_of(event.event_time), []).append(unit_tile(event, small_models.genres))
    limit = speed.config.features.history_limit
    wanted = {user: {day: merge_tiles(days[day], limit) for day in sorted(days)} for user, days in units.items()}
    states = {entity: decode_state(state, Tile) for entity, state in speed.store.speed_states() if entity[0] == "u"}
    assert {entity: state.tiles for entity, state in states.items() if state.tiles} == wanted


def event_of(sent: dict[str, Any], hashes: dict[str, int]) -> Event:
    kind, value = sent["event_type"], sent.get("value")
    strength = {"view": value, "rating": value and value / 5, "list_add": 0.5}.get(kind)
    return Event(
        topic="", partition=0, offset=0, event_id=sent["event_id"], id_hash=hashes[sent["event_id"]], event_type=kind,
        user_id=sent["user_id"], event_time=parse_rfc3339(sent["event_time"]), title_id=sent.get("title_id"),
        watched=round(value * MILLION) if kind == "view" else None,
        rated=round(value * MILLION) if kind == "rating" else None,
        strength=None if strength is None else round(strength * MILLION), attributes=sent.get("properties"),
    )  # fmt: skip


def test_subscribers_heard_last_what_the_store_says(speed: Speed) -> None:
    until(lambda: lag(speed.config) == 0)
    heard = {message.key().decode(): message.value() for message in messages(speed.config, "predictions")}
    said = {
        f"{use_case}:{entity}": speed.store.redis.hget(speed_key(entity), use_case)
        for entity, found in content(speed.store).items()
        for use_case in found.records
    }
    assert heard == said
    assert {key.partition(":")[0] for key in said} == {"recommend", "segment", "churn", "sentiment"}


def test_bronze_has_every_record_once_as_it_was_sent(speed: Speed) -> None:
    until(lambda: archived(speed.config) >= speed.total)
    rows = bronze(speed.config)
    assert len(rows) == len({(row["topic"], row["partition"], row["offset"]) for row in rows}) == speed.total
    small = sorted((row["topic"], row["value"]) for row in rows if len(row["value"]) < HUGE)
    assert small == sorted((record.topic, record.value) for record in speed.sent)


def test_everything_gated_again_changes_nothing(speed: Speed) -> None:
    config, topics = speed.config, speed.config.kafka.topics
    until(lambda: lag(config) == 0)
    before, rejected = dumped(speed.store), size(config, topics.quarantine)
    servers.stop(config, ["gate"])
    for folder in Path(config.paths.checkpoints).glob("realtime-*"):
        shutil.rmtree(folder)
    servers.start(config, ["gate"])
    until(lambda: size(config, topics.gated) == 2 * (EVENTS + POSTS))
    until(lambda: lag(config) == 0 and size(config, topics.quarantine) == 2 * rejected)
    assert dumped(speed.store) == before
    assert accounted(config, speed.store) == speed.total
    assert len({source(message) for message in messages(config, topics.quarantine)}) == rejected


def dumped(store: Store) -> dict[bytes, dict[bytes, bytes]]:
    return {key: store.redis.hgetall(key) for key in store.redis.keys("la:{*}:s")}


def test_micro_batches_give_the_same_store_and_score_silent_entities_anew(
    speed: Speed, small_models: Models, tmp_path_factory: pytest.TempPathFactory
) -> None:
    servers.stop(speed.config, ["gate", "scorer", "archive"])
    config = beside(speed.config, tmp_path_factory.mktemp("microbatch") / "var")
    with speed_stack(config, ["gate"], small_models) as store:
        until(lambda: accounted(config, store) >= speed.total)
        assert content(store) == content(speed.store)
        assert accounted(config, store) == speed.total
        assert size(config, config.kafka.topics.gated) == 0
        until(lambda: counted(store) == {"speed-events", "speed-posts"})
        publish_next(store, small_models)
        until(lambda: {record["generation"] for record in said(store)} == {small_models.generation + 1})
        # The walk is noted when the broker has acknowledged what it said: later than it is in the store.
        until(lambda: rescored(store) == {"0/1": 2}, told=lambda: f"walked in epochs {rescored(store)}")


def counted(store: Store) -> set[str]:
    """The queries that tell of a last trigger in which every record is accounted for."""
    told = [msgspec.json.decode(found, type=Trigger) for found in queries(store)]
    whole = ("applied", "duplicates", "late")
    return {
        trigger.query
        for trigger in told
        if trigger.counts["records"] == sum(trigger.counts[name] for name in whole)
        and trigger.rows == trigger.counts["records"] + trigger.counts["quarantined"] > 0
        and trigger.milliseconds["triggerExecution"] > 0
        and trigger.counts["state_bytes_mean"] > 0
        and trigger.counts["delay_ms_mean"] > 0
    }


def publish_next(store: Store, models: Models) -> None:
    """The same models, as the next generation."""
    following = msgspec.structs.replace(models, generation=models.generation + 1)
    store.put_models(following, FidelityTable(following.generation, {}))
    store.flip(following.generation, following.horizon)


def said(store: Store) -> list[dict[str, Any]]:
    """All that the speed layer says."""
    found = (store.redis.hmget(key, *USE_CASES) for key in store.redis.keys("la:{*}:s"))
    return [json.loads(record) for records in found for record in records if record]


def beside(first: Config, var: Path) -> Config:
    """Micro-batches from the same broker into another database, other topics for what comes out."""
    config = speed_config(var, mode="microbatch")
    outgoing = {name: f"{name}-again" for name in ("gated", "predictions", "quarantine")}
    topics = first.kafka.topics.model_copy(update=outgoing)
    kafka = first.kafka.model_copy(update={"topics": topics})
    store = first.store.model_copy(update={"url": first.store.url.removesuffix("/0") + "/1"})
    return config.model_copy(update={"kafka": kafka, "store": store})
