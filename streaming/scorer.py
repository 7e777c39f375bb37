"""Topic `gated` -> the store: a consumer group whose offsets are committed after store and broker have acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from lambda_arch.clock import rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.posts import Post
from lambda_arch.scorers import put_scorer
from lambda_arch.store import STORE_ERRORS, Store, refused
from lambda_arch.tiles import Event
from streaming.announcer import Announcer, Receipt
from streaming.apply import Applier, Records, decode_gated, in_pieces
from streaming.consumer import METADATA_SECONDS, begun, consumer_settings, lag_of, take
from streaming.meter import Meter, Totals
from streaming.metrics import Metrics
from streaming.offsets import Offsets, ends_of
from streaming.outcome import Applied
from streaming.quarantine import Quarantine, Rejected
from streaming.rescore import RETRY_SECONDS, Rescorer, Shards, walked

GROUP = "scorer"
NOT_GATED = "not_gated"
POLL_SECONDS = 0.1

log = structlog.get_logger("scorer")


def run_scorer(config: Config, stopped: Callable[[], bool]) -> None:
    """Apply gated records until `stopped`; a store that is away is waited for, and nothing is skipped.

    What is no gated record goes to quarantine.
    """
    scorer = Scorer(config, stopped)
    try:
        while not stopped():
            scorer.step()
    finally:
        scorer.close()


class Scorer:
    """One member of the consumer group."""

    def __init__(self, config: Config, stopped: Callable[[], bool]) -> None:
        store, topics = Store(config.store.url, config.store.ttl_days), config.kafka.topics
        self._stopped = stopped
        self._batch, self._piece = config.speed.backlog_batch, config.speed.scorer_batch
        self._applier = Applier(store, config.features.history_limit, config.batch.top_n)
        self._announcer = Announcer(config.kafka.bootstrap, topics.predictions)
        self._quarantine = Quarantine(config.kafka.bootstrap, topics.quarantine)
        self._consumer = Consumer(consumer_settings(config.kafka.bootstrap, GROUP))
        self._offsets = Offsets(self._consumer)
        self._rescorer = Rescorer(self._applier, store, self._announcer, config.speed.rescore_share, self._shards)
        self._store, self._meter, self._metrics, self._told = store, Meter(), Metrics(), Totals()
        if first := config.speed.metrics_port:
            log.info("metrics", port=self._metrics.serve(range(first, first + config.speed.scorers)))
        self._topic = topics.gated
        self._consumer.subscribe([self._topic], on_assign=self._receive, on_revoke=self._give_back, on_lost=self._lose)

    def step(self) -> None:
        """Apply the next messages, if there are any, score a few silent entities anew, commit what is acknowledged."""
        self._apply(*self._taken())
        self._rescore()
        self._announcer.poll()
        self._offsets.settle()
        self._report()

    def close(self) -> None:
        """Leave the group with everything committed that was applied."""
        try:
            self._settle()
        finally:
            self._consumer.close()

    def _taken(self) -> tuple[Records, list[TopicPartition]]:
        """The next records and where they end in their partitions; what is no gated record goes to quarantine."""
        messages = take(self._consumer, self._batch, self._rescorer.rest(POLL_SECONDS))
        records = [_gated(message) for message in messages]
        foreign = [message for message, record in zip(messages, records, strict=True) if record is None]
        if foreign:
            self._quarantine.send(_rejected(message) for message in foreign)
            self._quarantine.flush()
            self._meter.add_quarantined(len(foreign))
        return [record for record in records if record is not None], ends_of(messages)

    def _apply(self, records: Records, ends: list[TopicPartition]) -> None:
        receipt = Receipt()
        if ends and self._written(records, receipt):
            self._offsets.add(ends, receipt)

    def _written(self, records: Records, receipt: Receipt) -> bool:
        """Apply and announce the records of a few entities after the other; answers whether all were.

        Of a backlog many are taken together: an entity's several records are read, scored and written once.
        """
        for piece in in_pieces(records, self._piece):
            applied = self._applied(piece)
            if applied is None:
                return False
            self._announcer.announce([*applied.predictions, *applied.repeated], receipt)
            self._meter.add(applied, [record.event_time for record in piece], wall_now())
            self._report()
        return True

    def _applied(self, records: Records) -> Applied | None:
        while not self._stopped():
            try:
                return self._applier.apply_records(records)
            except STORE_ERRORS as error:
                log.warning("store away, trying again", error=refused(error))
                time.sleep(RETRY_SECONDS)
        return None

    def _rescore(self) -> None:
        if rescored := walked(self._rescorer, time.sleep):
            self._meter.add_rescored(rescored)

    def _report(self) -> None:
        """Tell how it stands, if it is time."""
        if not self._meter.is_due():
            return
        report = self._meter.report(self._applier.models, lag_of(self._consumer))
        self._metrics.last = report
        if report.per_second or report.totals != self._told:
            log.info("scorer", **msgspec.to_builtins(report))
        self._told = report.totals
        try:
            put_scorer(self._store, report.scorer, msgspec.json.encode(report))
        except STORE_ERRORS as error:
            log.warning("store away, not reported", error=str(error))

    def _shards(self) -> Shards:
        topic = self._consumer.list_topics(self._topic, timeout=METADATA_SECONDS).topics[self._topic]
        return frozenset(at.partition for at in self._consumer.assignment()), len(topic.partitions)

    def _receive(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if partitions:
            self._meter.add_lost(begun(consumer, partitions))
        self._rescorer.look()

    def _give_back(self, *_: object) -> None:
        """Partitions go to another scorer: it must begin after what was applied here, and speak after it."""
        self._settle()
        self._rescorer.look()

    def _lose(self, *_: object) -> None:
        log.warning("partitions lost to other scorers")
        self._offsets.forget()

    def _settle(self) -> None:
        self._announcer.flush()
        try:
            self._offsets.settle(wait=True)
        except KafkaException as error:
            log.warning("offsets not committed: the next scorer reads some records again", error=str(error))


def _gated(message: Message) -> Event | Post | None:
    try:
        return decode_gated(message.value() or b"")
    except ValueError as error:
        log.warning("quarantined", reason=NOT_GATED, offset=message.offset(), error=str(error))
        return None


def _rejected(message: Message) -> Rejected:
    """The message as it is, with the headers that the gate gives to what it rejects."""
    headers = {
        "reason": NOT_GATED,
        "source_topic": str(message.topic()),
        "source_partition": str(message.partition()),
        "source_offset": str(message.offset()),
        "seen_at": rfc3339(message.timestamp()[1] * 1000),
    }
    return message.key(), message.value(), [{"key": name, "value": text.encode()} for name, text in headers.items()]
