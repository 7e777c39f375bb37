"""One night at a time: a lease in the store, renewed while its holder lives, that lapses seconds after its death."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from lambda_arch.clock import rfc3339
from lambda_arch.keys import NIGHT_KEY
from lambda_arch.scripts import RELEASE, RENEW
from lambda_arch.store import STORE_ERRORS, Store

SECONDS = 10.0


class NightRunsError(RuntimeError):
    """Another night runs, or has taken over; this one stops."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lease: one night of one process; times in RFC 3339."""

    horizon: str
    since: str
    host: str
    pid: int
    token: str


class Lease:
    """A lease that is held."""

    def __init__(self, store: Store, told: bytes, seconds: float) -> None:
        self._told, self._milliseconds, self._pause = told, int(seconds * 1000), seconds / 5
        self._renew, self._release = store.redis.register_script(RENEW), store.redis.register_script(RELEASE)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises NightRunsError where the lease lapsed: another night may have begun."""
        if not self._renewed():
            raise NightRunsError("this night lost its lease, the store having been away too long: run it again")

    def end(self) -> None:
        """Stop renewing and give the lease back."""
        self._ended.set()
        self._thread.join()
        self._release(keys=[NIGHT_KEY], args=[self._told])

    def _renewed(self) -> bool:
        """Keep the lease; false where it lapsed."""
        return bool(self._renew(keys=[NIGHT_KEY], args=[self._told, self._milliseconds]))

    def _beat(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                self._renewed()
            except STORE_ERRORS:  # the night itself will say so, or the store comes back in time
                continue


@contextmanager
def night_lease(store: Store, horizon: int, now: int, seconds: float = SECONDS) -> Iterator[Lease]:
    """The only night's lease; raises NightRunsError saying which night runs, where and since when."""
    holder = Holder(rfc3339(horizon), rfc3339(now), socket.gethostname(), os.getpid(), uuid.uuid4().hex)
    told = msgspec.json.encode(holder)
    if taken := store.redis.set(NIGHT_KEY, told, px=int(seconds * 1000), nx=True, get=True):
        other = msgspec.json.decode(taken, type=Holder)
        raise NightRunsError(
            f"a night at {other.horizon} runs since {other.since} as process {other.pid} on {other.host}: wait for it "
            f"(if it was killed, its lease lapses within {seconds:g} seconds)"
        )
    lease = Lease(store, told, seconds)
    try:
        yield lease
    finally:
        lease.end()
