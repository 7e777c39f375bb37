"""Topic `gated` -> the store: a consumer group whose offsets are committed after the store has acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from lambda_arch.config import Config
from lambda_arch.records import Prediction, encode
from lambda_arch.store import STORE_ERRORS, Store
from streaming.apply import Applied, Applier

GROUP = "scorer"
POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
REPORT_SECONDS = 10.0
FLUSH_SECONDS = 30.0

log = structlog.get_logger("scorer")


def run_scorer(config: Config, stopped: Callable[[], bool]) -> None:
    """Apply gated records until `stopped`; a store that is away is waited for, and nothing is skipped."""
    applier = Applier(Store(config.store.url, config.store.ttl_days), config.features.history_limit, config.batch.top_n)
    consumer = Consumer(consumer_settings(config.kafka.bootstrap))
    announcer = Announcer(config.kafka.bootstrap, config.kafka.topics.predictions)
    consumer.subscribe([config.kafka.topics.gated])
    progress = Progress()
    try:
        while not stopped():
            messages = take(consumer, config.speed.scorer_batch)
            if messages:
                applied = _applied(applier, [message.value() or b"" for message in messages], stopped)
                if applied is None:
                    return
                announcer.announce(applied.predictions)
                commit(consumer, messages)
                progress.add(applied)
            progress.report()
    finally:
        announcer.flush()
        consumer.close()


def consumer_settings(bootstrap: str) -> dict[str, object]:
    """The group's settings: own commits, from the beginning, no waiting for fuller fetches or for the dead."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": GROUP,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 5,
        # A killed scorer's partitions wait so long for another; the default is 45 s, a broker takes no less than 6.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 2000,
        "partition.assignment.strategy": "cooperative-sticky",
    }


def take(consumer: Consumer, limit: int) -> list[Message]:
    """The next messages, at most `limit`: waits for the first, then takes what is there."""
    first = consumer.poll(POLL_SECONDS)
    if first is None:
        return []
    messages = [first, *consumer.consume(limit - 1, timeout=0)] if limit > 1 else [first]
    for message in messages:
        error = message.error()
        if error and error.code() != KafkaError._PARTITION_EOF:
            _raise_unless_passing(error)
    return [message for message in messages if not message.error()]


def commit(consumer: Consumer, messages: Sequence[Message]) -> None:
    """Commit the offsets of applied messages, by name.

    A commit of "what was consumed" is looked up in the background, when the next messages may have been consumed.
    """
    newest = {message.partition(): message for message in messages}
    for message in newest.values():
        consumer.commit(message=message, asynchronous=True)


def _raise_unless_passing(error: KafkaError) -> None:
    """A missing topic or an absent broker is waited for; anything fatal is raised."""
    log.warning("kafka", error=error.str())
    if error.fatal():
        raise KafkaException(error)


def _applied(applier: Applier, values: list[bytes], stopped: Callable[[], bool]) -> Applied | None:
    while not stopped():
        try:
            return applier.apply(values)
        except STORE_ERRORS as error:
            log.warning("store away, trying again", error=str(error))
            time.sleep(RETRY_SECONDS)
    return None


class Announcer:
    """Sends what the speed layer says to topic `predictions`, keyed by use case and entity."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"}
        self._producer = Producer(settings)
        self._topic = topic

    def announce(self, predictions: list[Prediction]) -> None:
        """Hand the predictions to the producer; a full queue is waited for."""
        for prediction in predictions:
            key = f"{prediction.use_case}:{prediction.entity}"
            while True:
                try:
                    self._producer.produce(self._topic, encode(prediction), key)
                    break
                except BufferError:
                    self._producer.poll(POLL_SECONDS)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all are acknowledged."""
        self._producer.flush(FLUSH_SECONDS)


class Progress:
    """Counts since the last log line."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._records = self._written = self._conflicts = self._refused = 0

    def add(self, applied: Applied) -> None:
        """Count one call."""
        self._records += applied.records
        self._written += applied.written
        self._conflicts += applied.conflicts
        self._refused += applied.refused

    def report(self) -> None:
        """A log line every ten seconds in which something happened."""
        elapsed = time.monotonic() - self._since
        if elapsed < REPORT_SECONDS:
            return
        if self._records:
            log.info(
                "applied", records=self._records, per_second=round(self._records / elapsed, 1),
                written=self._written, conflicts=self._conflicts, refused=self._refused,
            )  # fmt: skip
        self._since = time.monotonic()
        self._records = self._written = self._conflicts = self._refused = 0
