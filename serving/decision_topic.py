"""Topic `decisions` -> entries, from its oldest to what it has now."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from lambda_arch.config import Kafka
from lambda_arch.records import UnknownSchemaError
from serving.entries import Entry, decode_entry

TIMEOUT_SECONDS = 10.0
AT_ONCE = 500


class DecisionTopicError(RuntimeError):
    """The topic cannot be read; the message says why and the remedy."""


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the topic: where it is, and the entry or why there is none."""

    partition: int
    offset: int
    entry: Entry | None = None
    fault: str = ""


def logged(kafka: Kafka) -> Iterator[Logged]:
    """Every record that the topic has now, partition by partition; raises DecisionTopicError."""
    consumer = Consumer({
        "bootstrap.servers": kafka.bootstrap, "group.id": "lambda-arch-decisions", "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    try:
        yield from _all(consumer, kafka.topics.decisions)
    except KafkaException as error:
        raise DecisionTopicError(f"topic {kafka.topics.decisions}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _all(consumer: Consumer, topic: str) -> Iterator[Logged]:
    found = consumer.list_topics(topic, TIMEOUT_SECONDS).topics[topic]
    if found.error:
        raise DecisionTopicError(
            f"topic {topic}: {found.error.str()}; `lambda-arch up` creates it, or `python -m deploy.topics`"
        )
    for partition in sorted(found.partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_SECONDS)
        if low < high:
            consumer.assign([TopicPartition(topic, partition, low)])
            yield from map(_logged, _until(consumer, high))


def _until(consumer: Consumer, high: int) -> Iterator[Message]:
    """The partition's records below an offset."""
    last = -1
    while last < high - 1:
        for message in _some(consumer):
            last = message.offset() or 0
            if last < high:
                yield message


def _some(consumer: Consumer) -> list[Message]:
    messages = consumer.consume(AT_ONCE, TIMEOUT_SECONDS)
    if not messages:
        raise DecisionTopicError(f"nothing came within {TIMEOUT_SECONDS:.0f} s: is the broker up?")
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


def _logged(message: Message) -> Logged:
    partition, offset = message.partition() or 0, message.offset() or 0
    try:
        return Logged(partition=partition, offset=offset, entry=decode_entry(message.value() or b""))
    except (UnknownSchemaError, msgspec.MsgspecError) as error:
        return Logged(partition=partition, offset=offset, fault=str(error))
