"""Scorers over a real broker and store, without a gate: what is sent to them, and what they said."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from speed_stack import FETCHED, messages, speed_config
from store_content import content

from deploy import servers
from lambda_arch.config import Config
from lambda_arch.keys import speed_key
from lambda_arch.posts import Post
from lambda_arch.scorers import scorers
from lambda_arch.store import Store
from lambda_arch.tiles import Event
from streaming.meter import ScorerReport
from streaming.scorer import GROUP, run_scorer

ROOT = Path(__file__).parents[1]


@contextmanager
def broker_and_store(folder: Path) -> Iterator[Config]:
    """Both running, with topics and no scorer."""
    config = speed_config(folder / "var")
    with servers.running(config, ["kafka", "store"], jars=FETCHED if FETCHED.is_dir() else None):
        yield config


@contextmanager
def process(config: Config, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scorer process; killed at the end if it lives."""
    settings = folder / "settings.yaml"
    settings.write_text(config.model_dump_json(), encoding="utf-8")
    environ = {**os.environ, "LAMBDA_ARCH_CONFIG": str(settings)}
    with (folder / "scorer.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "jobs.run_scorer"], cwd=ROOT, env=environ, stdout=log, stderr=log
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait(20)


@contextmanager
def threads(config: Config, count: int = 1) -> Iterator[None]:
    """Scorers in this process; fails where one of them did."""
    stopped, failed = threading.Event(), []

    def run() -> None:
        try:
            run_scorer(config, stopped.is_set)
        except Exception as error:
            failed.append(error)

    started = [threading.Thread(target=run) for _ in range(count)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in started:
            thread.join(40)
        # A scorer and its consumer name each other: until collected, its producers call for a broker that is gone.
        gc.collect()
    assert not any(thread.is_alive() for thread in started)
    assert failed == []


def encoded(records: Sequence[Event | Post]) -> list[tuple[str, bytes]]:
    """Gated records with their keys."""
    return [
        (record.user_id if isinstance(record, Event) else record.title_id, msgspec.json.encode(record))
        for record in records
    ]


def send(config: Config, gated: Sequence[tuple[str, bytes | None]]) -> None:
    """Put (key, value) into topic `gated`, in the partitions to which Java's client would send them."""
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap, "partitioner": "murmur2_random"})
    for key, value in gated:
        producer.produce(config.kafka.topics.gated, value, key)
    assert producer.flush(30) == 0


def shares(config: Config) -> list[int]:
    """How many partitions each member of the consumer group has."""
    admin = AdminClient({"bootstrap.servers": config.kafka.bootstrap})
    group = admin.describe_consumer_groups([GROUP])[GROUP].result(30)
    return sorted(len(member.assignment.topic_partitions) for member in group.members)


def told_by(store: Store) -> list[ScorerReport]:
    """How the living scorers say that they stand."""
    return [msgspec.json.decode(told, type=ScorerReport) for told in scorers(store)]


def heard(config: Config) -> dict[str, bytes]:
    """The last announcement of each key."""
    found = messages(config, config.kafka.topics.predictions)
    return {(message.key() or b"").decode(): message.value() or b"" for message in found}


def said(store: Store) -> dict[str, bytes]:
    """What the store says, by the key of its announcement."""
    return {
        f"{use_case}:{entity}": store.redis.hget(speed_key(entity), use_case)
        for entity, found in content(store).items()
        for use_case in found.records
    }
