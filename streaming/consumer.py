"""How scorers read topic `gated`: their settings, where they begin, the next messages, and how far behind they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.outages import Outages

METADATA_SECONDS = 10.0
MOST_BYTES = 1 << 25  # of values taken together, whatever a record's size: a scorer's memory stays as it is
_AT_ONCE = 1000

log = structlog.get_logger("scorer")


class GoneError(RuntimeError):
    """What was to be taken next is gone from the topic."""


def consumer_settings(bootstrap: str, group: str) -> dict[str, object]:
    """The group's settings: own commits, no skipping of what is gone, no waiting for fuller fetches or for the dead."""
    return {
        "bootstrap.servers": bootstrap,
        "log_level": 0,
        "error_cb": Outages(bootstrap),
        "group.id": group,
        "enable.auto.commit": False,
        # Where to begin says `begun`: the client itself would go on behind what is gone, and say nothing.
        "auto.offset.reset": "error",
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
    """The next messages: waits for the first, then takes what is there, at most `limit` and little above MOST_BYTES.

    Raises GoneError where what is to be taken next was removed meanwhile.
    """
    first = consumer.poll(wait)
    if first is None:
        return []
    messages = [first, *_there(consumer, limit - 1)]
    for message in messages:
        error = message.error()
        if error and error.code() != KafkaError._PARTITION_EOF:
            _raise_unless_passing(error)
    return [message for message in messages if not message.error()]


def begun(consumer: Consumer, partitions: Sequence[TopicPartition]) -> int:
    """Read partitions that were just assigned from where the group is; answers how many records it can take no more.

    Where there is nothing at that offset the oldest record is next: a new group's begin, or retention removed what is
    before it, or the topic was made anew, and then what is read again changes nothing.
    """
    try:
        found = [_beginning(consumer, at) for at in consumer.committed(list(partitions), METADATA_SECONDS)]
    except KafkaException as error:
        # The client would throw it away, and whoever calls it, with it: what cannot be read is told when it is read.
        log.warning("kafka", error=str(error))
        return 0
    consumer.incremental_assign([at for at, _ in found])
    return sum(gone for _, gone in found)


def _beginning(consumer: Consumer, committed: TopicPartition) -> tuple[TopicPartition, int]:
    """Where to read a partition from, and how many records are gone before it."""
    topic, number, offset = committed.topic, committed.partition, committed.offset
    if offset < 0:
        return TopicPartition(topic, number, OFFSET_BEGINNING), 0
    first, end = consumer.get_watermark_offsets(committed, METADATA_SECONDS)
    gone = max(0, first - offset)
    if gone:
        log.error(
            "records removed before they were taken: the archive has them, `lambda-arch replay` applies them",
            topic=topic, partition=number, records=gone, first=first,
        )  # fmt: skip
    return TopicPartition(topic, number, offset if first <= offset <= end else first), gone


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
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise GoneError(f"records were removed before they were taken ({error.str()}): started again, it counts them")
    log.warning("kafka", error=error.str())
    if error.fatal():
        raise KafkaException(error)
