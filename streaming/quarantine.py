"""Rejected records -> topic `quarantine`, their bytes untouched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

# How large a record may be is for the broker to say: one that it took must not stop the client that sends it on.
LARGEST_BYTES = 16 * 1024 * 1024
FULL_QUEUE_SECONDS = 0.1
FLUSH_SECONDS = 30.0

Rejected = tuple[bytes | None, bytes | None, list[Mapping[str, Any]]]


class Quarantine:
    """A producer of rejected records; `flush` answers only when all are acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        settings = {"enable.idempotence": True, "linger.ms": 5, "message.max.bytes": LARGEST_BYTES, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._topic = topic
        self._refusals: list[KafkaError] = []

    def send(self, rejected: Iterable[Rejected]) -> None:
        """Hand over (key, value, headers) of each record; a full queue is waited for."""
        for key, value, headers in rejected:
            self._hand_over(key, value, [(header["key"], header["value"]) for header in headers])
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all are acknowledged; raises KafkaException where some are not."""
        left = self._producer.flush(FLUSH_SECONDS)
        refusals, self._refusals = self._refusals, []
        if refusals:
            raise KafkaException(refusals[0])
        if left:
            raise KafkaException(f"{left} quarantined records not acknowledged within {FLUSH_SECONDS:.0f} s")

    def _hand_over(self, key: bytes | None, value: bytes | None, headers: list[tuple[str, str | bytes | None]]) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, headers=headers, on_delivery=self._take)
                return
            except BufferError:
                self._producer.poll(FULL_QUEUE_SECONDS)

    def _take(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refusals.append(error)
