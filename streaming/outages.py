"""A broker that is away, told once and in words: Kafka's client itself would tell of every attempt, on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError

APART_SECONDS = 60.0  # the client tries anew every ten: what is further apart is another outage

log = structlog.get_logger("scorer")


class Outages:
    """A client's `error_cb`; the client is to be given `log_level` 0 with it."""

    def __init__(self, bootstrap: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap, self._clock = bootstrap, clock
        self._last = -APART_SECONDS

    def __call__(self, error: KafkaError) -> None:
        """Tell of the error, unless it belongs to an outage that was told of."""
        now, before = self._clock(), self._last
        self._last = now
        if now - before >= APART_SECONDS:
            remedy = "waiting for it; `lambda-arch up` starts the embedded one"
            log.warning("broker does not answer", broker=self._bootstrap, why=error.str(), remedy=remedy)
