"""Erasures and the broker: the registry that a lost store is filled from, and what was announced of the erased."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from confluent_kafka import Message, Producer

from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.erasures import Erasure, decode_erasure, latest, person_of
from lambda_arch.records import decode
from lambda_arch.topic_reader import whole
from streaming.produce import SETTINGS, ProduceError


def registered(config: Config) -> dict[str, Erasure]:
    """The topic's registry, by person; raises TopicError where the broker is away."""
    messages = whole(config.kafka.bootstrap, config.kafka.topics.erasures)
    return latest(decode_erasure(value) for message in messages if (value := message.value()))


def withdraw(config: Config, erasures: Iterable[Erasure]) -> int:
    """Make the broker forget announcements of the erased that were still on their way then; answers how many.

    Raises TopicError where the broker is away, ProduceError where it does not acknowledge all.
    """
    topic, moments = config.kafka.topics.predictions, {erasure.person: erasure.moment for erasure in erasures}
    said = {message.key(): message for message in whole(config.kafka.bootstrap, topic)} if moments else {}
    doomed = [key for key, message in said.items() if key and _is_of_erased(key, message, moments)]
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap, "log_level": 0, **SETTINGS})
    for key in doomed:
        producer.produce(topic, None, key)
    if doomed and (left := producer.flush(30)):
        raise ProduceError(f"{left} of {len(doomed)} tombstones not acknowledged: erase again")
    return len(doomed)


def _is_of_erased(key: bytes | str, message: Message, moments: dict[str, int]) -> bool:
    """Whether the newest announcement under the key knows nothing later than the person's erasure."""
    text, value = key.decode() if isinstance(key, bytes) else key, message.value()
    entity = text.partition(":")[2]
    moment = moments.get(person_of(entity[2:])) if entity.startswith("u:") else None
    if value is None or moment is None:
        return False
    try:
        return parse_rfc3339(decode(value if isinstance(value, bytes) else value.encode()).as_of) <= moment
    except (ValueError, msgspec.MsgspecError):  # of another release: it can only be withdrawn
        return True
