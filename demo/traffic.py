"""What the demo sends, and waiting until every record of it is accounted for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from lambda_arch.config import Config
from lambda_arch.states import Counts, counts_of
from lambda_arch.store import Store
from streaming.produce import produce, read_records

PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.25


class UnaccountedError(RuntimeError):
    """Records that were sent have neither been applied nor quarantined in time."""


class Traffic:
    """Counts what was sent, and knows what became of it."""

    def __init__(self, config: Config) -> None:
        self.sent = 0
        self._config = config
        self._store = Store(config.store.url, config.store.ttl_days)

    def send(self, paths: Iterable[Path]) -> None:
        """Send files of JSON lines, as fast as the broker acknowledges."""
        for path in paths:
            report = produce(self._config.kafka.bootstrap, read_records(path), None, self._config.kafka.topics)
            self.sent += report.acked

    def settle(self) -> Counts:
        """Wait until applied + duplicates + late + quarantined == sent; raises UnaccountedError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            counts, quarantined = self.counts(), self.quarantined()
            if counts.applied + counts.duplicates + counts.late + quarantined == self.sent:
                return counts
            if time.monotonic() > until:
                raise UnaccountedError(
                    f"{self.sent} records sent, {counts} in the store and {quarantined} quarantined after "
                    f"{PATIENCE_SECONDS:.0f} s: see var/log/gate.log and var/log/scorer.log"
                )
            time.sleep(POLL_SECONDS)

    def counts(self) -> Counts:
        """What became of the records that reached an entity, summed over the store."""
        return sum((counts_of(state) for _, state in self._store.speed_states()), Counts())

    def quarantined(self) -> int:
        """How many records topic `quarantine` holds."""
        topic = self._config.kafka.topics.quarantine
        consumer = Consumer({"bootstrap.servers": self._config.kafka.bootstrap, "group.id": "demo", "log_level": 0})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            ends = [consumer.get_watermark_offsets(TopicPartition(topic, number)) for number in partitions]
            return sum(high - low for low, high in ends)
        finally:
            consumer.close()
