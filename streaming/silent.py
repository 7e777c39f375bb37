"""Micro-batches: their driver scores silent entities anew, while the queries run."""

from __future__ import annotations

import threading
import time

from lambda_arch.config import Config
from lambda_arch.store import Store
from streaming.announcer import Announcer
from streaming.apply import Applier
from streaming.rescore import Rescorer, walked


class Silent:
    """The walk over all entities after a flip or a rollback; workers that write one meanwhile are quicker, or redo."""

    def __init__(self, config: Config, stopped: threading.Event) -> None:
        store = Store(config.store.url, config.store.ttl_days)
        applier = Applier(store, config.features.history_limit, config.batch.top_n)
        self._announcer = Announcer(config.kafka.bootstrap, config.kafka.topics.predictions)
        share = config.speed.rescore_share
        self._rescorer = Rescorer(applier, store, self._announcer, share, lambda: (frozenset((0,)), 1))
        self._stopped = stopped

    def walk(self, seconds: float) -> None:
        """Do what is due, and rest, for so long or until stopped."""
        until = time.monotonic() + seconds
        while not self._stopped.is_set() and (left := until - time.monotonic()) > 0:
            walked(self._rescorer, self._stopped.wait)
            self._announcer.poll()
            self._stopped.wait(self._rescorer.rest(left))
