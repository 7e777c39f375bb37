"""How the whole of it stands, second by second, for whoever watches: what flows in, what is known, who answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from lambda_arch.clock import SECOND, rfc3339, wall_now
from lambda_arch.keys import Generations
from lambda_arch.reads import AsyncStore
from lambda_arch.store import StoreError
from serving.answers import Answers
from serving.metrics import Answered, Metrics

BEAT_SECONDS = 1.0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything; rates since the look before, `answered` and `p99_ms` since the server's start.

    `delay_seconds` is the slowest scorer's median from an event's time to its being in the store; None, as `p99_ms` is,
    where there was nothing. `reasons` say why the server is not ready.
    """

    at: str
    reasons: list[str]
    generation: int
    batch_age_seconds: float | None
    store: bool
    store_ms: float | None
    scorers: int
    events_per_second: float
    lag: int
    delay_seconds: float | None
    late: int
    duplicates: int
    quarantined: int
    answers_per_second: float
    answered: dict[str, int]
    p99_ms: float | None


class Pulse:
    """The beats of one server; however many watch, the store is asked once a second."""

    def __init__(self, store: AsyncStore, answers: Answers, metrics: Metrics) -> None:
        self._store, self._answers, self._metrics = store, answers, metrics
        self._last: Beat | None = None
        self._counted, self._looked = Answered(), 0.0
        self._lock = asyncio.Lock()

    async def beats(self) -> AsyncIterator[Beat]:
        """A beat at once and one each second; ends with whoever asks."""
        while True:
            yield await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> Beat:
        """The last look where that is less than a second old, else a new one."""
        async with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._looked >= BEAT_SECONDS * 0.9:
                self._last = await self._look(now)
            return self._last

    async def _look(self, now: float) -> Beat:
        counted, passed = self._metrics.answered(), max(now - self._looked, 1e-9)
        rate = (counted.total - self._counted.total) / passed if self._looked else 0.0
        self._counted, self._looked = counted, now
        try:
            reasons = await self._answers.unready()
            began = time.perf_counter()
            generations, _ = await self._store.pointer()
            taken = time.perf_counter() - began
            told = [msgspec.json.decode(told) for told in await self._store.living()]
        except StoreError as error:
            return _beat(counted, rate, [str(error)], Generations(), None, [])
        return _beat(counted, rate, reasons, generations, taken * 1000, told)


def _beat(
    counted: Answered,
    rate: float,
    reasons: list[str],
    generations: Generations,
    store_ms: float | None,
    told: list[dict[str, Any]],
) -> Beat:
    scorers, now = [one for one in told if "totals" in one], wall_now()
    # In micro-batches the queries themselves apply; else they gate what the scorers count.
    flowing = scorers or [one for one in told if one.get("query", "").startswith("speed-")]
    delays = [one["delay_seconds"]["p50"] for one in scorers if one["delay_seconds"]]
    age = max(0, now - generations.current_horizon) / SECOND if generations.current else None
    return Beat(
        at=rfc3339(now), reasons=reasons, generation=generations.current, batch_age_seconds=age,
        store=store_ms is not None, store_ms=store_ms, scorers=len(scorers),
        events_per_second=round(sum(one["per_second"] for one in flowing), 1),
        lag=sum(sum(one["lag"].values()) for one in flowing), delay_seconds=max(delays, default=None),
        late=_total(scorers, "late"), duplicates=_total(scorers, "duplicates"),
        quarantined=_total(scorers, "quarantined"), answers_per_second=round(rate, 1), answered=counted.layers,
        p99_ms=counted.p99_ms,
    )  # fmt: skip


def _total(scorers: list[dict[str, Any]], name: str) -> int:
    return sum(one["totals"][name] for one in scorers)
