"""Scorers over a real broker and store: what a killed one leaves, what strangers write, and what is told."""

from __future__ import annotations

import json
import os
import random
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from scorers import broker_and_store, encoded, heard, process, said, send, threads, told_by
from speed_stack import PATIENCE_SECONDS, add_partitions, lag, messages, published, size, undisturbed, until
from store_content import content, counts, records
from typer.testing import CliRunner

from deploy.ports import free_ports
from deploy.topics import create_topics
from jobs.cli import app
from lambda_arch.clock import DAY, wall_now
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.records import decode
from lambda_arch.scorers import note_rescored
from lambda_arch.states import Counts
from lambda_arch.store import Store
from lambda_arch.tiles import Event
from streaming.apply import Applier
from streaming.consumer import begun, consumer_settings, lag_of, take
from streaming.rescore import partition_of

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A broker and a store."""
    with broker_and_store(tmp_path_factory.mktemp("scorer")) as config:
        yield config


@pytest.fixture
def config(stack: Config, request: pytest.FixtureRequest) -> Config:
    """Topics and a database of the test's own."""
    names = stack.kafka.topics.model_dump()
    topics = {role: f"{name}-{abs(hash(request.node.name))}" for role, name in names.items()}
    kafka = stack.kafka.model_copy(update={"topics": stack.kafka.topics.model_copy(update=topics)})
    own = stack.model_copy(update={"kafka": kafka})
    create_topics(own)
    Store(own.store.url, 1).redis.flushdb()
    return own


def event(offset: int, time: int, user: str) -> Event:
    return Event(
        topic="events", partition=0, offset=offset, event_id=f"{offset}", id_hash=offset, event_type="view",
        user_id=user, event_time=time, title_id="ab"[offset % 2], watched=1, strength=1000,
    )  # fmt: skip


def views(count: int, horizon: int, users: int = 10) -> list[Event]:
    return [event(n, horizon + n, str(n % users)) for n in range(count)]


def walked(store: Store, config: Config) -> Store:
    """The store, in which nobody is to be scored anew: that would announce everything as well."""
    partitions = config.kafka.partitions
    note_rescored(store, [f"{number}/{partitions}" for number in range(partitions)], store.generations().epoch)
    return store


def test_what_a_killed_scorer_had_in_the_store_but_not_announced_is_announced_by_the_next(
    config: Config, small_models: Models, tmp_path: Path
) -> None:
    """The topic of announcements is missing at first: they stay in the producer, as behind any broker that is away."""
    topics = config.kafka.topics.model_copy(update={"predictions": f"{config.kafka.topics.predictions}-late"})
    config = config.model_copy(update={"kafka": config.kafka.model_copy(update={"topics": topics})})
    store = walked(published(config, small_models), config)
    send(config, encoded(views(40, small_models.horizon)))
    with process(config, tmp_path) as first:
        until(lambda: counts(store).applied == 40)
        first.send_signal(signal.SIGKILL)
        first.wait(20)
    before = said(store)
    assert len(before) == 20
    assert lag(config) == 40
    create_topics(config)
    with process(config, tmp_path):
        until(lambda: lag(config) == 0)
        assert heard(config) == before == said(store)
    assert counts(store) == Counts(applied=40)


def test_a_replay_beside_a_duplicate_is_announced_though_nothing_in_the_records_changed(
    config: Config, small_models: Models
) -> None:
    """The store has an event that nobody announced; the batch that brings it again also brings its id anew."""
    store = walked(published(config, small_models), config)
    first = event(0, small_models.horizon, "0")
    Applier(store, config.features.history_limit, config.batch.top_n).apply([msgspec.json.encode(first)])
    send(config, encoded([first, msgspec.structs.replace(first, offset=1)]))
    with threads(config):
        until(lambda: lag(config) == 0)
    assert heard(config) == said(store)
    assert set(heard(config)) == {"recommend:u:0", "segment:u:0"}


def test_a_backlog_is_taken_together_and_a_users_several_events_are_scored_once(
    config: Config, small_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.meter.REPORT_SECONDS", 0.2)
    store, log = walked(published(config, small_models), config), views(1000, small_models.horizon, 20)
    config = config.model_copy(update={"speed": config.speed.model_copy(update={"scorer_batch": 3})})
    send(config, encoded(log))
    with threads(config):
        until(lambda: lag(config) == 0)
        until(lambda: bool(told_by(store)) and told_by(store)[0].totals.records == 1000)
    assert told_by(store)[0].totals.written < 500
    assert counts(store) == Counts(applied=1000)
    assert content(store) == undisturbed(config, small_models, [value for _, value in encoded(log)])


def test_no_more_is_taken_together_than_memory_was_given_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.consumer.MOST_BYTES", 2000)
    monkeypatch.setattr("streaming.consumer._AT_ONCE", 10)
    send(config, [(f"viewer-{number}", b"x" * 100) for number in range(200)])
    consumer = Consumer(consumer_settings(config.kafka.bootstrap, "another") | {"queued.max.messages.kbytes": 1000})
    consumer.subscribe([config.kafka.topics.gated], on_assign=begun)
    taken: list[int] = []
    while sum(taken) < 200:
        taken.append(len(take(consumer, 1000, 5.0)))
    assert max(taken) <= 1 + 20
    consumer.close()


def test_topic_gated_gains_partitions_with_a_backlog_and_nothing_that_is_overtaken_is_lost(
    config: Config, small_models: Models
) -> None:
    """Everybody's later records come by another partition than the earlier ones, and are as soon at hand."""
    store, log = walked(published(config, small_models), config), views(8000, small_models.horizon, 40)
    send(config, encoded(log[:4000]))
    add_partitions(config, config.kafka.topics.gated, 6)
    send(config, encoded(log[4000:]))
    with threads(config, 2):
        until(lambda: lag(config) == 0, 3 * PATIENCE_SECONDS)
    assert counts(store) == Counts(applied=8000)
    assert content(store) == undisturbed(config, small_models, [value for _, value in encoded(log)])


def test_topic_gated_gains_partitions_while_scorers_run_and_they_read_all_of_them(
    config: Config, small_models: Models
) -> None:
    store, log = walked(published(config, small_models), config), views(4000, small_models.horizon, 40)
    with threads(config, 2):
        send(config, encoded(log[:2000]))
        until(lambda: counts(store).applied == 2000, 3 * PATIENCE_SECONDS)
        add_partitions(config, config.kafka.topics.gated, 6)
        send(config, encoded(log[2000:]))
        until(lambda: counts(store).applied >= 4000, 3 * PATIENCE_SECONDS)
        until(lambda: lag(config) == 0, 3 * PATIENCE_SECONDS)
    assert counts(store) == Counts(applied=4000)
    assert {message.partition() for message in messages(config, config.kafka.topics.gated)} == set(range(6))


def test_a_wall_clock_that_jumps_changes_when_a_record_was_written_and_nothing_else(
    config: Config, small_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, store = random.Random(7), walked(published(config, small_models), config)
    for reader in ("streaming.apply", "streaming.scorer", "streaming.meter"):
        monkeypatch.setattr(f"{reader}.wall_now", lambda: wall_now() + chance.randrange(-400, 400) * DAY)
    config = config.model_copy(update={"speed": config.speed.model_copy(update={"scorer_batch": 7})})
    log = views(400, small_models.horizon)
    send(config, encoded(log))
    with threads(config):
        until(lambda: lag(config) == 0)
    assert counts(store) == Counts(applied=400)
    assert content(store) == undisturbed(config, small_models, [value for _, value in encoded(log)])
    assert len({decode(stored).written_at[:10] for stored in said(store).values()}) > 1


def test_entities_are_walked_in_the_partitions_to_which_their_events_go(config: Config) -> None:
    send(config, [(f"viewer-{number}", b"") for number in range(100)])
    found = messages(config, config.kafka.topics.gated)
    assert len({message.partition() for message in found}) == config.kafka.partitions
    for message in found:
        entity = f"u:{(message.key() or b'').decode()}"
        assert partition_of(entity, config.kafka.partitions) == message.partition()


def expire(config: Config, offsets: dict[int, int]) -> None:
    """Have the broker remove what each partition of `gated` has before an offset, as its retention does."""
    admin = AdminClient({"bootstrap.servers": config.kafka.bootstrap})
    asked = [TopicPartition(config.kafka.topics.gated, number, offset) for number, offset in offsets.items()]
    for done in admin.delete_records(asked).values():
        done.result(30)


def test_what_retention_removed_before_it_was_taken_is_told_and_counted_and_a_replay_heals_it(
    config: Config, small_models: Models
) -> None:
    store = walked(published(config, small_models), config)
    gated = encoded(views(60, small_models.horizon))
    send(config, gated[:20])
    with threads(config):
        until(lambda: counts(store).applied == 20 and lag(config) == 0)
    send(config, gated[20:40])
    there = messages(config, config.kafka.topics.gated)
    expire(config, dict(Counter(message.partition() or 0 for message in there)))
    send(config, gated[40:])
    with threads(config):
        until(lambda: counts(store).applied == 40 and lag(config) == 0)
        until(lambda: sum(told.totals.lost for told in told_by(store)) == 20, told=lambda: told_by(store))
    Applier(store, config.features.history_limit, config.batch.top_n).apply([value for _, value in gated[20:40]])
    assert content(store) == undisturbed(config, small_models, [value for _, value in gated])


def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_what_comes_again_changes_nothing(
    config: Config, small_models: Models
) -> None:
    store = walked(published(config, small_models), config)
    gated = encoded(views(60, small_models.horizon))
    send(config, gated[:40])
    with threads(config):
        until(lambda: counts(store).applied == 40 and lag(config) == 0)
    admin = AdminClient({"bootstrap.servers": config.kafka.bootstrap})
    admin.delete_topics([config.kafka.topics.gated])[config.kafka.topics.gated].result(30)
    until(lambda: config.kafka.topics.gated in create_topics(config))
    send(config, gated[30:])
    with threads(config):
        until(lambda: counts(store).applied == 60)
        until(lambda: sum(told.totals.records for told in told_by(store)) == 30, told=lambda: told_by(store))
        assert [told.totals.lost for told in told_by(store)] == [0]
    assert content(store) == undisturbed(config, small_models, [value for _, value in gated])


def test_lag_is_what_was_not_taken_of_each_partition(config: Config) -> None:
    send(config, [(f"viewer-{number}", b"") for number in range(100)])
    consumer = Consumer(consumer_settings(config.kafka.bootstrap, "another"))
    consumer.subscribe([config.kafka.topics.gated], on_assign=begun)
    taken: Counter[int] = Counter()
    while taken.total() < 100:
        taken.update(message.partition() or 0 for message in take(consumer, 7, 5.0))
        sizes = {at: consumer.get_watermark_offsets(TopicPartition(config.kafka.topics.gated, at))[1] for at in taken}
        assert lag_of(consumer) == {at: sizes[at] - taken[at] for at in taken}
    assert set(lag_of(consumer).values()) == {0}
    consumer.close()


def test_a_scorer_tells_how_it_stands_in_the_store_on_its_port_and_by_status(
    config: Config, small_models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streaming.meter.REPORT_SECONDS", 0.2)
    [port] = free_ports(1)
    config = config.model_copy(update={"speed": config.speed.model_copy(update={"metrics_port": port})})
    store = walked(published(config, small_models), config)
    log = views(30, small_models.horizon)
    again = [msgspec.structs.replace(record, offset=record.offset + 100) for record in log[:5]]
    early = [msgspec.structs.replace(record, offset=200, event_time=0, id_hash=-1) for record in log[:1]]
    send(config, [*encoded([*log, *again, *early]), ("stranger", b"?")])
    (tmp_path / "settings.yaml").write_text(config.model_dump_json(), encoding="utf-8")
    monkeypatch.setenv("LAMBDA_ARCH_CONFIG", str(tmp_path / "settings.yaml"))
    with threads(config):
        until(lambda: bool(told_by(store)) and told_by(store)[0].totals.records == 36 and told_by(store)[0].lag != {})
        (told,) = told_by(store)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        shown = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["scorers"]
    totals, counted = told.totals, counts(store)
    assert (totals.applied, totals.duplicates, totals.late, totals.quarantined) == (30, 5, 1, 1)
    assert (counted.applied, counted.duplicates, counted.late) == (30, 5, 1)
    assert (told.generation, told.model_versions["recommend"], sum(told.lag.values())) == (2, 2, 0)
    assert [(scorer["pid"], scorer["totals"]["duplicates"]) for scorer in shown] == [(os.getpid(), 5)]
    for line in ("duplicates_total 5.0", "late_total 1.0", "generation 2.0", 'lag{partition="0"} 0.0'):
        assert f"lambda_arch_scorer_{line}" in metrics


GOOD = msgspec.to_builtins(Event("events", 0, 7, "e", 7, "view", "u", 1451692800000000, title_id="a", strength=1))
FOREIGN = {
    "is empty": b"",
    "is null": None,
    "is no JSON": b"\x00\xff{",
    "is of another kind": b'{"kind": "review", "stars": 5}',
    "is a list": b"[]",
    "lacks a field": b'{"kind": "event", "topic": "events"}',
    "has text that is no UTF-8": b'{"kind": "event", "topic": "\xff\xfe"}',
    "is nested without end": b'{"kind": "event", "more": ' + b"[" * 100_000,
    "has an offset before the first": {"offset": -1},
    "has a time after the year 9999": {"event_time": 10**18},
    "has an id hash of more than 64 bits": {"id_hash": 2**70},
    "has a negative strength": {"strength": -1},
    "has an offset that is text": {"offset": "7"},
}


def bytes_of(foreign: bytes | dict[str, object] | None) -> bytes | None:
    return msgspec.json.encode({**GOOD, **foreign}) if isinstance(foreign, dict) else foreign


def test_what_is_no_gated_record_goes_to_quarantine_and_nothing_stops(config: Config, small_models: Models) -> None:
    store, good = walked(published(config, small_models), config), encoded(views(len(FOREIGN), small_models.horizon))
    strange = [("stranger", bytes_of(value)) for value in FOREIGN.values()]
    send(config, [pair for both in zip(strange, good, strict=True) for pair in both])
    with threads(config):
        until(lambda: lag(config) == 0)
    rejected = messages(config, config.kafka.topics.quarantine)
    assert sorted(message.value() or b"" for message in rejected) == sorted(value or b"" for _, value in strange)
    assert {message.key() for message in rejected} == {b"stranger"}
    headers = [{name: value.decode() for name, value in message.headers() or ()} for message in rejected]
    assert {(told["reason"], told["source_topic"]) for told in headers} == {("not_gated", config.kafka.topics.gated)}
    gated = messages(config, config.kafka.topics.gated)
    coordinates = {(str(found.partition()), str(found.offset())) for found in gated if found.key() == b"stranger"}
    assert {(told["source_partition"], told["source_offset"]) for told in headers} == coordinates
    assert counts(store) == Counts(applied=len(good))
    assert records(store, "u:0")["recommend"].evidence == 2
    assert size(config, config.kafka.topics.quarantine) == len(strange)


@pytest.mark.parametrize("fault", FOREIGN)
def test_a_record_that(fault: str) -> None:
    """Is refused where it is read, so that no batch is begun with it."""
    with pytest.raises(ValueError, match="not a gated record"):
        Applier(Store("redis://127.0.0.1:1", 1), 5, 3).apply([bytes_of(FOREIGN[fault]) or b""])
