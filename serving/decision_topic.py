"""Topic `decisions` -> entries, from its oldest to what it has now."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from confluent_kafka import Message

from lambda_arch.config import Kafka
from lambda_arch.records import UnknownSchemaError
from lambda_arch.topic_reader import whole
from serving.entries import Entry, decode_entry

PATIENCE_SECONDS = 10.0


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the topic: where it is, and the entry or why there is none."""

    partition: int
    offset: int
    entry: Entry | None = None
    fault: str = ""


def logged(kafka: Kafka) -> Iterator[Logged]:
    """Every record that the topic has now, partition by partition; raises TopicError."""
    return map(_logged, whole(kafka.bootstrap, kafka.topics.decisions, PATIENCE_SECONDS))


def _logged(message: Message) -> Logged:
    partition, offset = message.partition() or 0, message.offset() or 0
    try:
        return Logged(partition=partition, offset=offset, entry=decode_entry(message.value() or b""))
    except (UnknownSchemaError, msgspec.MsgspecError) as error:
        return Logged(partition=partition, offset=offset, fault=str(error))
