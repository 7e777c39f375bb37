"""What is handed in -> Kafka: each record acknowledged by all replicas, or a fault; the event loop never waits.

librdkafka sends from a thread of its own. One thread here takes its acknowledgements; a request is woken once, when
its last record has one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

POLL_SECONDS = 0.2
SETTINGS = {
    "enable.idempotence": True,
    "acks": "all",
    # What comes within a millisecond travels together: without it each request waits for the one before.
    "linger.ms": 1,
    # How large a record may be is for the rules and the broker to say.
    "message.max.bytes": 16 * 1024 * 1024,
    "log_level": 0,
}


class Outgoing(NamedTuple):
    """A record for a topic; no value is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None


class Receipt(NamedTuple):
    """Where a record is in Kafka, or why it may not be there."""

    partition: int = -1
    offset: int = -1
    fault: str | None = None


class Outbox:
    """A producer that is there from the first record on."""

    def __init__(self, bootstrap: str, seconds: float) -> None:
        """`seconds`: after which a record that is not acknowledged is given up."""
        limits = {"message.timeout.ms": int(seconds * 1000), "socket.connection.setup.timeout.ms": 5000}
        self._settings = {"bootstrap.servers": bootstrap, **SETTINGS, **limits}
        self._bootstrap, self._seconds = bootstrap, seconds
        self._producer: Producer | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    async def send(self, records: Sequence[Outgoing]) -> list[Receipt]:
        """Send the records, in their order, and wait for what becomes of each; never raises for the broker."""
        if not records:
            return []
        producer = self._running()
        pending = _Pending(len(records))
        for number, record in enumerate(records):
            try:
                told = partial(pending.take, number)
                producer.produce(record.topic, record.value, record.key, on_delivery=told)
            except BufferError:
                pending.note(number, Receipt(fault="too much is waiting to be sent"))
            except KafkaException as error:
                pending.note(number, Receipt(fault=error.args[0].str()))
        receipts = await pending.done
        if pending.is_fatal and self._producer is producer:
            self._producer = None  # an idempotent producer that lost count is of no more use
        return receipts

    async def close(self) -> None:
        """Send what is left, and end."""
        self._ended.set()
        if self._producer:
            await asyncio.to_thread(self._producer.flush, self._seconds)
        if self._thread:
            await asyncio.to_thread(self._thread.join)

    def _running(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._settings)
        if self._thread is None:
            self._thread = threading.Thread(target=self._take_acknowledgements, name="outbox", daemon=True)
            self._thread.start()
        return self._producer

    def _take_acknowledgements(self) -> None:
        while not self._ended.is_set():
            producer = self._producer
            if producer is None:
                self._ended.wait(POLL_SECONDS)
            else:
                producer.poll(POLL_SECONDS)


class _Pending:
    """The receipts of one request, filled in by the outbox's thread."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[list[Receipt]] = self._loop.create_future()
        self.is_fatal = False
        self._receipts: list[Receipt | None] = [None] * count
        self._left, self._lock = count, threading.Lock()

    def take(self, number: int, error: KafkaError | None, message: Message) -> None:
        """What the broker said of a record."""
        if error is None:
            self.note(number, Receipt(message.partition() or 0, message.offset() or 0))
        else:
            self.is_fatal = self.is_fatal or error.fatal()
            self.note(number, Receipt(fault=error.str()))

    def note(self, number: int, receipt: Receipt) -> None:
        """Note a record's receipt; with the last one the request goes on."""
        with self._lock:
            self._receipts[number] = receipt
            self._left -= 1
            last = self._left == 0
        if last:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():  # the client may have gone
            self.done.set_result([receipt for receipt in self._receipts if receipt is not None])
