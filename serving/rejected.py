"""What the gate has rejected of late: the newest records of topic `quarantine`, counted and shown, without Spark.

The lake has all of them, with what became of each; `lambda-arch quarantine` lists, fixes and replays them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

SECONDS = 5.0
LONGEST = 2000  # characters of a record that are shown
GROUP = "lambda-arch-quarantine-reader"  # joins nothing and commits nothing


class AwayError(RuntimeError):
    """The broker does not answer; the message says so with the remedy."""


class Reject(NamedTuple):
    """A rejected record: the reason, where it came from, when it was seen, and its bytes as text."""

    reason: str
    coordinates: str
    seen_at: str
    value: str


class Looked(NamedTuple):
    """What a look at the topic saw: how many records it holds, and the newest of them."""

    held: int
    rejects: list[Reject]


def newest(bootstrap: str, topic: str, most: int) -> Looked:
    """At most so many of the newest records, the newest first; raises AwayError."""
    settings = {"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(settings)
    try:
        ends = _ends(consumer, topic)
        share = -(-most // max(1, len(ends)))
        held = sum(high - low for low, high in ends.values())
        starts = {number: max(low, high - share) for number, (low, high) in ends.items() if high > low}
        found = [_reject(message) for message in _read(consumer, topic, starts, {n: ends[n][1] for n in starts})]
    except KafkaException as error:
        told = f"the broker {bootstrap} does not tell of topic {topic}: {error.args[0].str()}"
        raise AwayError(f"{told}; is it up?") from None
    finally:
        consumer.close()
    return Looked(held, sorted(found, key=lambda reject: (reject.seen_at, reject.coordinates), reverse=True)[:most])


def counted(rejects: Sequence[Reject]) -> list[tuple[str, int]]:
    """How many there are by reason, the most frequent first."""
    counts = Counter(reject.reason for reject in rejects)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _ends(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    found = consumer.list_topics(topic, timeout=SECONDS).topics[topic]
    if found.error:
        raise KafkaException(found.error)
    return {n: consumer.get_watermark_offsets(TopicPartition(topic, n), SECONDS) for n in found.partitions}


def _read(consumer: Consumer, topic: str, starts: dict[int, int], ends: dict[int, int]) -> Iterator[Message]:
    """The records from each partition's start to its end, or what of them comes in time."""
    consumer.assign([TopicPartition(topic, number, start) for number, start in starts.items()])
    left, deadline = dict(ends), time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        for message in consumer.consume(500, timeout=0.2):
            if message.error() is None:
                yield message
        at = {place.partition: place.offset for place in consumer.position([TopicPartition(topic, n) for n in left])}
        left = {number: end for number, end in left.items() if at[number] < end}


def _reject(message: Message) -> Reject:
    headers = {str(name): _text(value) for name, value in list(message.headers() or ())}
    source = "/".join(headers.get(f"source_{part}", "?") for part in ("topic", "partition", "offset"))
    value = _text(message.value())[:LONGEST]
    return Reject(headers.get("reason", "unknown"), source, headers.get("seen_at", ""), value)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
