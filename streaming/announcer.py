"""What the speed layer says -> topic `predictions`: at least once, and never a reason to wait for the next batch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from lambda_arch.records import Prediction, encode

FULL_QUEUE_SECONDS = 0.1
QUEUE_KIB = 1 << 14  # announcements that wait for the broker; the default is a gibibyte
FLUSH_SECONDS = 30.0


class AnnounceError(RuntimeError):
    """The broker refuses announcements; the message says why and the remedy."""


class Receipt:
    """How many announcements of a batch the broker has yet to acknowledge."""

    def __init__(self) -> None:
        self.left = 0


class Announcer:
    """Sends predictions keyed by use case and entity; each entity's arrive in the order in which they were handed over.

    A subscriber may hear the same prediction twice, and after a failover an older one last: the greater by the order
    of lambda_arch.records is the newer.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        # No time limit: a broker that is away is waited for, since what was dropped here could not be said again.
        settings = {"enable.idempotence": True, "message.timeout.ms": 0, "linger.ms": 5, "compression.type": "lz4"}
        settings |= {"queue.buffering.max.kbytes": QUEUE_KIB, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._topic = topic
        self._refusals: list[KafkaError] = []

    def announce(self, predictions: Iterable[Prediction], receipt: Receipt | None = None) -> Receipt:
        """Hand the predictions to the producer; a full queue is waited for. Raises AnnounceError.

        Answers the receipt, of more than one call where it was given.
        """
        receipt = receipt or Receipt()
        for prediction in predictions:
            receipt.left += 1
            self._hand_over(prediction, receipt)
        self.poll()
        return receipt

    def poll(self) -> None:
        """Take in what was acknowledged meanwhile; raises AnnounceError where something was refused for good."""
        self._producer.poll(0)
        if self._refusals:
            raise AnnounceError(
                f"topic {self._topic} refuses announcements: {self._refusals[0].str()}; what was not announced is "
                "announced at the next start (missing topics: `python -m deploy.topics`)"
            )

    def flush(self) -> None:
        """Wait until all are acknowledged; raises AnnounceError where some are not."""
        left = self._producer.flush(FLUSH_SECONDS)
        self.poll()
        if left:
            raise AnnounceError(f"{left} predictions not acknowledged within {FLUSH_SECONDS:.0f} s: is the broker up?")

    def _hand_over(self, prediction: Prediction, receipt: Receipt) -> None:
        key, value = f"{prediction.use_case}:{prediction.entity}", encode(prediction)
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=partial(self._take, receipt))
                return
            except BufferError:
                self._producer.poll(FULL_QUEUE_SECONDS)

    def _take(self, receipt: Receipt, error: KafkaError | None, _: Message) -> None:
        if error is None:
            receipt.left -= 1
        else:
            self._refusals.append(error)
