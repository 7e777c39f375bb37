"""A speed layer of real processes on free ports, what is sent to it, and what of it has arrived."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Message, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions
from store_content import Content, content, counts

from demo.poison import Poison, poison
from deploy import servers
from deploy.ports import on_free_ports
from lambda_arch.clock import DAY, rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.posts import Post
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE
from lambda_arch.tiles import Event
from streaming.apply import Applier
from streaming.produce import Record
from streaming.scorer import GROUP

FETCHED = Path(__file__).resolve().parents[1] / "var" / "jars"
PATIENCE_SECONDS = 180.0
KINDS = ("view", "view", "rating", "list_add", "search", "account", "support")
QUIET = {"log_level": 0}  # of brokers that a test ends on purpose
_gated = msgspec.json.Decoder(Event | Post)
TEXTS = ("good", "bad", "good and good", "said nothing", "Nicht übel")


def speed_config(var: Path, **speed: Any) -> Config:
    """The defaults on free ports, with short batches and speed settings as given."""
    config = on_free_ports(load_config({}), var)
    speed = {"batch_seconds": 5, **speed}
    archive = config.archive.model_copy(update={"trigger_seconds": 1})
    return config.model_copy(update={"speed": config.speed.model_copy(update=speed), "archive": archive})


@contextmanager
def speed_stack(config: Config, names: list[str], models: Models) -> Iterator[Store]:
    """The programs running, and the store with a generation published."""
    with servers.running(config, names, jars=FETCHED if FETCHED.is_dir() else None):
        yield published(config, models)


def published(config: Config, models: Models) -> Store:
    """The configuration's store, with the models as its current generation."""
    store = Store(config.store.url, config.store.ttl_days)
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)
    return store


def undisturbed(config: Config, models: Models, gated: Sequence[bytes]) -> Content:
    """What one applier makes of gated records in their order, in a database of its own."""
    url = config.store.url.removesuffix("/0") + "/1"
    beside = config.model_copy(update={"store": config.store.model_copy(update={"url": url})})
    Store(url, 1).redis.flushdb()
    store = published(beside, models)
    Applier(store, config.features.history_limit, config.batch.top_n).apply(gated)
    return content(store)


def events(seed: int, count: int, horizon: int, again: float = 0.1) -> list[Record]:
    """Events of forty users on the day before and the three after the horizon; a share of them is sent again."""
    rng = random.Random(seed)
    sent: list[Record] = []
    for number in range(count):
        if sent and rng.random() < again:
            sent.append(rng.choice(sent))
            continue
        kind, user = rng.choice(KINDS), f"user-{rng.randrange(40)}"
        event = {
            "event_id": f"{seed}-{number}", "event_type": kind, "user_id": user,
            "event_time": rfc3339(horizon + rng.randrange(-DAY, 3 * DAY)), **_details(kind, rng),
        }  # fmt: skip
        sent.append(Record("events", user.encode(), json.dumps(event).encode()))
    return sent


def posts(seed: int, count: int, horizon: int) -> list[Record]:
    """Posts about titles by id or by name, and about none."""
    rng = random.Random(seed)
    sent = []
    for number in range(count):
        about = rng.choice(({"title_id": "a"}, {"title_id": "b"}, {"title": "The C!"}, {}))
        time = rfc3339(horizon + rng.randrange(DAY))
        post = {"post_id": f"{seed}-{number}", "text": rng.choice(TEXTS), "event_time": time, **about}
        sent.append(Record("posts", about.get("title_id", "none").encode(), json.dumps(post).encode()))
    return sent


def rejects(config: Config) -> list[Poison]:
    """One record for every reason of quarantine."""
    return poison(config.events.max_bytes)


def _details(kind: str, rng: random.Random) -> dict[str, Any]:
    if kind == "account":
        return {"properties": {"tenure": str(rng.randrange(72)), "contract": rng.choice(("Monthly", "Two years"))}}
    if kind not in ("view", "rating", "list_add"):
        return {}
    # One title is unknown to the models and two are never seen: there is always something left to recommend.
    title = {"title_id": rng.choice("abe")}
    return title if kind == "list_add" else {**title, "value": rng.randrange(50, 101) / 100}


def messages(config: Config, topic: str) -> list[Message]:
    """Everything a topic has now, by partition and offset."""
    consumer = Consumer(
        {"bootstrap.servers": config.kafka.bootstrap, "group.id": "tests", "enable.auto.commit": False, **QUIET}
    )
    try:
        ends = _ends(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        found: list[Message] = []
        while any(position.offset < ends[position.partition] for position in _positions(consumer)):
            found += [message for message in consumer.consume(1000, 0.2) if not message.error()]
        return sorted(found, key=lambda message: (message.partition(), message.offset()))
    finally:
        consumer.close()


def _positions(consumer: Consumer) -> list[TopicPartition]:
    """Where it will read on; nothing read yet is the beginning."""
    return [
        TopicPartition(at.topic, at.partition, max(at.offset, 0)) for at in consumer.position(consumer.assignment())
    ]


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    return {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in partitions}


def size(config: Config, topic: str) -> int:
    """How many records a topic has had."""
    consumer = Consumer({"bootstrap.servers": config.kafka.bootstrap, "group.id": "tests", **QUIET})
    try:
        return sum(_ends(consumer, topic).values())
    finally:
        consumer.close()


def add_partitions(config: Config, topic: str, count: int) -> None:
    """The topic has so many from then on; keys are spread anew by clients that have heard of it."""
    admin = KafkaAdminClient(bootstrap_servers=config.kafka.bootstrap)
    admin.create_partitions({topic: NewPartitions(total_count=count)})
    admin.close()


def lag(config: Config) -> int:
    """How many gated records the scorers have not committed."""
    consumer = Consumer({"bootstrap.servers": config.kafka.bootstrap, "group.id": GROUP, **QUIET})
    try:
        topic = config.kafka.topics.gated
        ends = _ends(consumer, topic)
        committed = consumer.committed([TopicPartition(topic, number) for number in ends], 10)
        return sum(ends[at.partition] - max(at.offset, 0) for at in committed)
    finally:
        consumer.close()


def source(message: Message) -> tuple[str, int, int]:
    """The source coordinates of a gated or quarantined record."""
    headers = {name: value.decode() for name, value in message.headers() or ()}
    if headers:
        return headers["source_topic"], int(headers["source_partition"]), int(headers["source_offset"])
    gated = _gated.decode(message.value() or b"")
    return gated.topic, gated.partition, gated.offset


def accounted(config: Config, store: Store) -> int:
    """How many source records were applied, found to be duplicates or late, or quarantined."""
    total = counts(store)
    quarantined = {source(message) for message in messages(config, config.kafka.topics.quarantine)}
    return total.applied + total.duplicates + total.late + len(quarantined)


def bronze(config: Config) -> list[dict[str, Any]]:
    """The archive's rows."""
    return [row for path in _bronze_files(config) for row in pq.read_table(path).to_pylist()]


def archived(config: Config) -> int:
    """How many rows the archive has."""
    return sum(pq.read_metadata(path).num_rows for path in _bronze_files(config))


def _bronze_files(config: Config) -> list[Path]:
    """By the table's log: every commit adds files and none removes any."""
    folder = Path(config.paths.lake) / BRONZE.name
    log = [json.loads(line) for path in folder.glob("_delta_log/*.json") for line in path.read_text().splitlines()]
    assert not any("remove" in action for action in log)
    return [folder / action["add"]["path"] for action in log if "add" in action]


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS, told: Callable[[], object] = str) -> None:
    """Wait for it; fails after so many seconds with what is told."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.2)
