"""What waits in a broker: views of many users as raw and as gated records, and how much of it scorers have taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType

import msgspec
import numpy as np
from confluent_kafka import Consumer, TopicPartition

from benchmarks.bench_apply import EVENTS, events
from lambda_arch.clock import rfc3339
from lambda_arch.config import Config
from lambda_arch.tiles import MILLION, Event
from streaming.produce import Record, produce
from streaming.scorer import GROUP

ANSWER_SECONDS = 10


def views(seed: int, count: int) -> Iterator[Event]:
    """So many views of users and titles drawn alike often, on the day after the horizon."""
    rng = np.random.default_rng(seed)
    for first in range(0, count, EVENTS):
        yield from events(rng, first)[: count - first]


def raw(found: Iterable[Event]) -> Iterator[Record]:
    """Views as a service sends them."""
    for event in found:
        said = {
            "event_id": event.event_id, "event_type": event.event_type, "user_id": event.user_id,
            "title_id": event.title_id, "event_time": rfc3339(event.event_time),
            "value": (event.watched or 0) / MILLION,
        }  # fmt: skip
        yield Record("events", event.user_id.encode(), msgspec.json.encode(said))


def gated(found: Iterable[Event]) -> Iterator[Record]:
    """Views as the gate hands them on."""
    return (Record("events", event.user_id.encode(), msgspec.json.encode(event)) for event in found)


def send(config: Config, topic: str, records: Iterable[Record]) -> None:
    """All of them into a topic; raises ProduceError unless every one is acknowledged."""
    produce(config.kafka.bootstrap, records, None, config.kafka.topics.model_copy(update={"events": topic}))


class Progress:
    """Asks the broker how far the scorers are."""

    def __init__(self, config: Config) -> None:
        self._topic = config.kafka.topics.gated
        self._consumer = Consumer({"bootstrap.servers": config.kafka.bootstrap, "group.id": GROUP})

    def __enter__(self) -> Progress:
        """Nothing is asked yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connection."""
        self._consumer.close()

    def standing(self) -> tuple[int, int]:
        """How many gated records there are, and how many the scorers have committed: those are in the store."""
        partitions = self._consumer.list_topics(self._topic, ANSWER_SECONDS).topics[self._topic].partitions
        asked = [TopicPartition(self._topic, number) for number in partitions]
        ends = [self._consumer.get_watermark_offsets(at, ANSWER_SECONDS)[1] for at in asked]
        committed = self._consumer.committed(asked, ANSWER_SECONDS)
        return sum(ends), sum(max(at.offset, 0) for at in committed)
