"""Answers that went out -> topic `decisions`: a sample by entity, and never a reason for an answer to wait or fail.

Whoever answers hands over references and goes on. A thread makes entries of them and gives them to the producer; what
does not fit into the buffer, or is not acknowledged in time, is dropped and counted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from lambda_arch.config import Config
from lambda_arch.draws import draw
from serving.entries import Noted, encode_entry, entry_of

SALT = "decisions"
PATIENCE_MS = 20_000  # for the broker's acknowledgement
FULL_QUEUE_SECONDS = 0.05
FLUSH_SECONDS = 3.0
POLL_SECONDS = 0.2
Fate = Literal["sent", "dropped"]

log = structlog.get_logger("decisions")


def sampled(entity: str, share: float) -> bool:
    """Whether an entity's decisions are logged: the same in every process, and more entities for a greater share."""
    return share > 0 and draw(entity, SALT) < share


class DecisionLog:
    """The sample's way to the topic; `counted` is told of every entry what became of it."""

    def __init__(self, config: Config, counted: Callable[[Fate], None]) -> None:
        self._config, self._counted = config, counted
        self._share = config.serving.decisions.share
        self._waiting: queue.Queue[Noted] = queue.Queue(config.serving.decisions.buffer)
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._away = False

    def wants(self, entity: str) -> bool:
        """Whether this entity's decisions are logged."""
        return sampled(entity, self._share)

    def note(self, note: Noted) -> None:
        """Hand an answer over; never waits, never raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(note)
        except queue.Full:
            self._counted("dropped")

    def close(self) -> None:
        """Send what waits, for seconds at most."""
        self._ending.set()
        if self._thread:
            self._thread.join(2 * FLUSH_SECONDS)

    def _run(self) -> None:
        producer = Producer(self._settings())
        while not (self._ending.is_set() and self._waiting.empty()):
            with suppress(queue.Empty):
                self._send(producer, self._waiting.get(timeout=POLL_SECONDS))
            producer.poll(0)
        producer.flush(FLUSH_SECONDS)
        producer.purge()  # what is left comes back as refused, and is counted
        producer.flush(FLUSH_SECONDS)

    def _send(self, producer: Producer, note: Noted) -> None:
        topic = self._config.kafka.topics.decisions
        try:
            value = encode_entry(entry_of(note))
            key = note.view.entity.encode()
            try:
                producer.produce(topic, value, key, on_delivery=self._took)
            except BufferError:
                producer.poll(0 if self._ending.is_set() else FULL_QUEUE_SECONDS)
                producer.produce(topic, value, key, on_delivery=self._took)
        except (BufferError, KafkaException, ValueError, TypeError) as error:
            self._drop(str(error))

    def _took(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._drop(error.str())
            return
        self._counted("sent")
        if self._away:
            self._away = False
            log.info("decisions are logged again")

    def _drop(self, why: str) -> None:
        self._counted("dropped")
        if not self._away:  # one line for an outage, however long
            self._away = True
            remedy = "answers go on; start the broker, or set serving.decisions.share to 0"
            log.warning("decisions are not logged", why=why, remedy=remedy)

    def _settings(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self._config.kafka.bootstrap,
            "message.timeout.ms": PATIENCE_MS,
            "queue.buffering.max.messages": self._config.serving.decisions.buffer,
            "queue.buffering.max.kbytes": 32 * 1024,
            "linger.ms": 50,
            "log_level": 0,  # an outage is told once, by `_drop`
            "compression.type": "lz4",
        }
