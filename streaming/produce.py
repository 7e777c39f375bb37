"""Records -> Kafka: every one acknowledged by all replicas and written once, or an error."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from lambda_arch.clock import SECOND
from lambda_arch.config import Topics

SETTINGS = {
    "enable.idempotence": True,
    "acks": "all",
    # One millisecond: without it thousands of requests a second wait in line, with more each record does.
    "linger.ms": 1,
    "compression.type": "none",
    # How large a record may be is for the broker to say.
    "message.max.bytes": 16 * 1024 * 1024,
    "message.timeout.ms": 30_000,
}
FULL_QUEUE_SECONDS = 0.1
FLUSH_SECONDS = 35.0

Role = Literal["events", "posts"]


class ProduceError(RuntimeError):
    """A record was not acknowledged, or a line is none; the message says which and why."""


@dataclass(frozen=True)
class Record:
    """A record for the topic of that role; `moment`: when its event happened (microseconds), for who paces by it."""

    topic: Role
    key: bytes | None
    value: bytes
    moment: int | None = None


@dataclass(frozen=True)
class ProduceReport:
    """How many records were sent and acknowledged, and how long it took."""

    sent: int
    acked: int
    seconds: float


def produce(
    bootstrap: str, records: Iterable[Record], rate: float | None, topics: Topics, speed_up: float | None = None
) -> ProduceReport:
    """Send the records in order, at most `rate` a second (None: as fast as they go).

    With `speed_up` each comes so much faster than it happened after the first, by its moment; one without a moment, or
    that others have overtaken, at once. Raises ProduceError unless every one is acknowledged.
    """
    names: dict[Role, str] = {"events": topics.events, "posts": topics.posts}
    receipts = _Receipts()
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, **SETTINGS})
    schedule = _Schedule(rate, speed_up)
    start, sent = time.monotonic(), 0
    for record in records:
        _wait_until(start + schedule.due(sent, record), producer)
        _send(producer, names[record.topic], record, receipts)
        receipts.check()
        sent += 1
    producer.flush(FLUSH_SECONDS)
    receipts.check()
    if receipts.acked < sent:
        raise ProduceError(f"{sent - receipts.acked} of {sent} records not acknowledged within {FLUSH_SECONDS:.0f} s")
    return ProduceReport(sent, receipts.acked, time.monotonic() - start)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file of JSON lines: `topic`, `key`, and `value` (JSON) or `base64` (bytes as they are).

    Raises ProduceError naming a line that is none.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield record_of(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ProduceError(f"{path}:{number}: not a record: {error!r}; want topic, key and value") from None


def record_of(line: dict[str, Any]) -> Record:
    """The record of a line; raises ValueError, KeyError or TypeError for what is none."""
    if line["topic"] not in ("events", "posts"):
        raise ValueError(f"topic {line['topic']!r}: want events or posts")
    raw = b64decode(line["base64"]) if "base64" in line else json.dumps(line["value"], ensure_ascii=False).encode()
    key = line.get("key")
    return Record(line["topic"], None if key is None else str(key).encode(), raw)


class _Schedule:
    """When each record is due."""

    def __init__(self, rate: float | None, speed_up: float | None) -> None:
        self._rate, self._speed_up = rate, speed_up
        self._first: int | None = None
        self._due = 0.0

    def due(self, sent: int, record: Record) -> float:
        """Seconds after the first of all records, of which `sent` came before this one."""
        if self._speed_up and record.moment is not None:
            self._first = record.moment if self._first is None else self._first
            self._due = max(self._due, (record.moment - self._first) / SECOND / self._speed_up)
        return max(self._due, sent / self._rate if self._rate else 0.0)


class _Receipts:
    """What the broker said of the records sent."""

    def __init__(self) -> None:
        self.acked = 0
        self._refusals: list[str] = []

    def take(self, error: KafkaError | None, message: Message) -> None:
        """Note a record's outcome."""
        if error is None:
            self.acked += 1
        else:
            self._refusals.append(f"{message.topic()}: {error.str()}")

    def check(self) -> None:
        """Raises ProduceError with the first refusal."""
        if self._refusals:
            raise ProduceError(f"{len(self._refusals)} records refused, the first by {self._refusals[0]}")


def _send(producer: Producer, topic: str, record: Record, receipts: _Receipts) -> None:
    while True:
        try:
            producer.produce(topic, record.value, record.key, on_delivery=receipts.take)
            break
        except BufferError:
            producer.poll(FULL_QUEUE_SECONDS)
        except KafkaException as error:
            raise ProduceError(f"{topic}: {error.args[0].str()}") from None
    producer.poll(0)


def _wait_until(moment: float, producer: Producer) -> None:
    while (left := moment - time.monotonic()) > 0:
        producer.poll(left)
