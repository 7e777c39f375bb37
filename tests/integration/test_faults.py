"""What goes wrong around the speed layer, done for real: what it says, with the remedy, and that nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession
from pyspark.sql.streaming.readwriter import DataStreamReader
from scorers import broker_and_store, encoded, send, threads
from speed_stack import events, lag, published, size, undisturbed, until
from store_content import content, counts
from store_server import StoreServer, free_port

from deploy import servers
from deploy.topics import BrokerError, create_topics
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.store import Store
from lambda_arch.tiles import Event
from streaming.ended import QueryEndedError
from streaming.pipeline import microbatch, run_queries
from streaming.produce import produce
from streaming.triggers import Triggers

pytestmark = [pytest.mark.servers, pytest.mark.spark]
SEED, COUNT = 5, 40


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A broker and a store."""
    with broker_and_store(tmp_path_factory.mktemp("faults")) as config:
        yield config


@pytest.fixture
def config(stack: Config, request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """Topics, checkpoints and an empty database of the test's own; the topics are not made yet."""
    names = stack.kafka.topics.model_dump()
    topics = {role: f"{name}-{abs(hash(request.node.name))}" for role, name in names.items()}
    kafka = stack.kafka.model_copy(update={"topics": stack.kafka.topics.model_copy(update=topics)})
    paths = stack.paths.model_copy(update={"checkpoints": str(tmp_path / "checkpoints")})
    Store(stack.store.url, 1).redis.flushdb()
    return stack.model_copy(update={"kafka": kafka, "paths": paths})


def fault(spark: SparkSession, config: Config) -> str:
    """What ends the queries of micro-batches."""
    with pytest.raises(QueryEndedError) as told:
        run_queries(microbatch(spark, config), threading.Event(), Triggers(None))
    for query in spark.streams.active:
        query.stop()
    return str(told.value)


def drained(spark: SparkSession, config: Config, store: Store, wanted: int) -> None:
    """Run the queries until so many records are accounted for."""
    queries = microbatch(spark, config)
    try:
        until(lambda: counted(store) >= wanted)
        for query in queries:
            query.processAllAvailable()
    finally:
        for query in queries:
            query.stop()


def counted(store: Store) -> int:
    """How many records were applied, or found to be duplicates or late."""
    total = counts(store)
    return total.applied + total.duplicates + total.late


def expire(config: Config, topic: str) -> None:
    """Have the broker remove all that a topic has, as its retention does."""
    admin = AdminClient({"bootstrap.servers": config.kafka.bootstrap})
    whole = [TopicPartition(topic, number, -1) for number in range(config.kafka.partitions)]
    for done in admin.delete_records(whole).values():
        done.result(30)


def views(count: int, horizon: int) -> list[Event]:
    return [
        Event(
            topic="events", partition=0, offset=n, event_id=f"{n}", id_hash=n, event_type="view", user_id=str(n % 10),
            event_time=horizon + n, title_id="ab"[n % 2], watched=1, strength=1000,
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_missing_topic_is_named_with_the_remedy_and_once_it_is_there_all_goes_on(
    spark: SparkSession, config: Config, small_models: Models
) -> None:
    told = fault(spark, config)
    assert "a topic is missing: make it with `python -m deploy.topics`" in told
    create_topics(config)
    store = published(config, small_models)
    produce(config.kafka.bootstrap, events(SEED, COUNT, small_models.horizon), None, config.kafka.topics)
    drained(spark, config, store, COUNT)


def test_records_that_are_gone_stop_the_gate_and_the_remedy_that_it_tells_lets_it_go_on(
    spark: SparkSession, config: Config, small_models: Models
) -> None:
    create_topics(config)
    store, sent = published(config, small_models), events(SEED, 3 * COUNT, small_models.horizon)
    produce(config.kafka.bootstrap, sent[:COUNT], None, config.kafka.topics)
    drained(spark, config, store, COUNT)
    produce(config.kafka.bootstrap, sent[COUNT : 2 * COUNT], None, config.kafka.topics)
    expire(config, config.kafka.topics.events)
    produce(config.kafka.bootstrap, sent[2 * COUNT :], None, config.kafka.topics)
    told = fault(spark, config)
    folder = f"microbatch-{config.kafka.topics.events}"
    assert "the broker no longer has records that the checkpoint wants" in told
    assert f"Remove the checkpoint {folder} below paths.checkpoints" in told
    assert "`lambda-arch replay`" in told
    (Path(config.paths.checkpoints) / folder).rename(Path(config.paths.checkpoints) / "removed")
    drained(spark, config, store, 2 * COUNT)
    assert counted(store) == 2 * COUNT


def test_a_checkpoint_of_another_query_stops_the_gate_and_once_it_is_removed_nothing_is_counted_twice(
    spark: SparkSession, config: Config, small_models: Models, tmp_path: Path
) -> None:
    create_topics(config)
    store = published(config, small_models)
    produce(config.kafka.bootstrap, events(SEED, COUNT, small_models.horizon), None, config.kafka.topics)
    drained(spark, config, store, COUNT)
    before, folder = content(store), Path(config.paths.checkpoints) / f"microbatch-{config.kafka.topics.events}"
    folder.rename(tmp_path / "own")
    other = spark.readStream.format("rate").load().writeStream.format("noop")
    foreign = other.option("checkpointLocation", str(folder)).start()
    until(lambda: (folder / "commits" / "0").exists())
    foreign.stop()
    told = fault(spark, config)
    assert f"the checkpoint {folder.name} below paths.checkpoints is of another query or another release" in told
    folder.rename(tmp_path / "foreign")
    drained(spark, config, store, COUNT)
    assert content(store) == before


def test_a_checkpoint_of_a_later_release_stops_the_gate_with_the_remedy(
    spark: SparkSession, config: Config, small_models: Models
) -> None:
    create_topics(config)
    store = published(config, small_models)
    produce(config.kafka.bootstrap, events(SEED, COUNT, small_models.horizon), None, config.kafka.topics)
    drained(spark, config, store, COUNT)
    folder = Path(config.paths.checkpoints) / f"microbatch-{config.kafka.topics.events}"
    for log in (folder / "offsets").glob("[0-9]*"):
        _, rest = log.read_text().split("\n", 1)
        log.write_text(f"v99\n{rest}")
    told = fault(spark, config)
    assert f"the checkpoint {folder.name} below paths.checkpoints is of another query or another release" in told
    assert counted(store) == COUNT


def test_a_broker_that_is_away_ends_the_gate_with_the_remedy(
    spark: SparkSession, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = config.model_copy(
        update={"kafka": config.kafka.model_copy(update={"bootstrap": f"127.0.0.1:{free_port()}"})}
    )
    # As Kafka's client waits, but for seconds: by default it asks for a minute.
    patience = {"kafka.default.api.timeout.ms": "2000", "kafka.request.timeout.ms": "1000"}
    load = DataStreamReader.load
    monkeypatch.setattr(DataStreamReader, "load", lambda reader: load(reader.options(**patience)))
    told = fault(spark, away)
    assert "the broker does not answer: start it with `lambda-arch up`, or correct kafka.bootstrap" in told
    assert "records stay in Kafka" in told


def test_while_the_store_is_full_scorers_wait_and_say_so_and_then_nothing_is_missing(
    config: Config, small_models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(config)
    server = StoreServer(tmp_path, "--maxmemory-policy", "noeviction")
    server.start()
    full = config.model_copy(update={"store": config.store.model_copy(update={"url": server.url})})
    store = published(full, small_models)
    store.redis.config_set("maxmemory", "1")
    gated = encoded(views(COUNT, small_models.horizon))
    send(config, gated)
    with threads(full):
        until(lambda: "raise its `maxmemory`" in capsys.readouterr().out)
        assert (counts(store).applied, lag(config)) == (0, COUNT)
        store.redis.config_set("maxmemory", "0")
        until(lambda: lag(config) == 0)
    assert content(store) == undisturbed(full, small_models, [value for _, value in gated])
    server.stop()


def test_while_the_broker_is_away_scorers_wait_and_then_nothing_is_missing(
    config: Config, small_models: Models
) -> None:
    create_topics(config)
    store = published(config, small_models)
    gated = encoded(views(2 * COUNT, small_models.horizon))
    send(config, gated[:COUNT])
    with threads(config):
        until(lambda: counts(store).applied == COUNT)
        servers.stop(config, ["kafka"])
        until(lambda: _unreachable(config))
        servers.start(config, ["kafka"])
        send(config, gated[COUNT:])
        until(lambda: counts(store).applied == 2 * COUNT and lag(config) == 0)
    assert size(config, config.kafka.topics.gated) == 2 * COUNT
    assert content(store) == undisturbed(config, small_models, [value for _, value in gated])


def _unreachable(config: Config) -> bool:
    try:
        create_topics(config)
    except BrokerError:
        return True
    return False


def test_before_the_first_generation_scorers_count_and_say_nothing_and_after_it_all_is_said(
    config: Config, small_models: Models
) -> None:
    create_topics(config)
    store = Store(config.store.url, config.store.ttl_days)
    gated = encoded(views(COUNT, small_models.horizon))
    send(config, gated[: COUNT // 2])
    with threads(config):
        until(lambda: counts(store).applied == COUNT // 2)
        assert all(entity.records == {} for entity in content(store).values())
        published(config, small_models)
        send(config, gated[COUNT // 2 :])
        until(lambda: counts(store).applied == COUNT and lag(config) == 0)
        until(lambda: all(entity.records for entity in content(store).values()))
    # All but the weights of genres, which only a generation's catalogue knows.
    found = {entity: said.records["recommend"] for entity, said in content(store).items()}
    wanted = undisturbed(config, small_models, [value for _, value in gated])
    assert found == {entity: said.records["recommend"] for entity, said in wanted.items()}
