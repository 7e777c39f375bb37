"""How scorers read topic `gated`: their consumer's settings, the next messages, and how far behind they are."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

METADATA_SECONDS = 10.0
MOST_BYTES = 1 << 25  # of values taken together, whatever a record's size: a scorer's memory stays as it is
_AT_ONCE = 1000

log = structlog.get_logger("scorer")


def consumer_settings(bootstrap: str, group: str) -> dict[str, object]:
    """The group's settings: own commits, from the beginning, no waiting for fuller fetches or for the dead."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 5,
        # Read ahead of a backlog; the default is 64 MiB.
        "queued.max.messages.kbytes": MOST_BYTES >> 10,
        # A topic's new partitions are read from then on; the default is five minutes.
        "topic.metadata.refresh.interval.ms": 10_000,
        # A killed scorer's partitions wait so long for another; the default is 45 s, a broker takes no less than 6.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 2000,
        "partition.assignment.strategy": "cooperative-sticky",
    }


def take(consumer: Consumer, limit: int, wait: float) -> list[Message]:
    """The next messages: waits for the first, then takes what is there, at most `limit` and little above MOST_BYTES."""
    first = consumer.poll(wait)
    if first is None:
        return []
    messages = [first, *_there(consumer, limit - 1)]
    for message in messages:
        error = message.error()
        if error and error.code() != KafkaError._PARTITION_EOF:
            _raise_unless_passing(error)
    return [message for message in messages if not message.error()]


def lag_of(consumer: Consumer) -> Mapping[int, int]:
    """By partition assigned, how many records were not taken yet, as of the last fetch; asks nobody."""
    lag: dict[int, int] = {}
    for at in consumer.position(consumer.assignment()):
        found = consumer.get_watermark_offsets(at, cached=True)
        # Both are negative until something was fetched, or taken.
        if found and found[1] >= 0 and at.offset >= 0:
            lag[at.partition] = max(0, found[1] - at.offset)
    return lag


def _there(consumer: Consumer, limit: int) -> list[Message]:
    """What was fetched already."""
    found: list[Message] = []
    size = 0
    while len(found) < limit and size < MOST_BYTES:
        more = consumer.consume(min(_AT_ONCE, limit - len(found)), timeout=0)
        if not more:
            break
        found += more
        size += sum(map(len, more))
    return found


def _raise_unless_passing(error: KafkaError) -> None:
    """A missing topic or an absent broker is waited for; anything fatal is raised."""
    log.warning("kafka", error=error.str())
    if error.fatal():
        raise KafkaException(error)
