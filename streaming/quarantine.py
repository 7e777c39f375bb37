"""Rejected records -> topic `quarantine`, their bytes untouched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

FLUSH_SECONDS = 30.0

Rejected = tuple[bytes | None, bytes | None, list[Mapping[str, Any]]]


class Quarantine:
    """A producer of rejected records; `flush` answers only when all are acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
        self._topic = topic

    def send(self, rejected: Iterable[Rejected]) -> None:
        """Hand over (key, value, headers) of each record."""
        for key, value, headers in rejected:
            pairs = [(header["key"], header["value"]) for header in headers]
            self._producer.produce(self._topic, value, key, headers=pairs)
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all are acknowledged; raises KafkaException where some are not."""
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise KafkaException(f"{left} quarantined records not acknowledged within {FLUSH_SECONDS:.0f} s")
