"""How the whole of it stands, second by second, for whoever watches: what flows in, what is known, who answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from lambda_arch.clock import SECOND, rfc3339, wall_now
from lambda_arch.reads import AsyncStore
from lambda_arch.store import StoreError
from serving.answers import Answers
from serving.metrics import Answered, Metrics

BEAT_SECONDS = 1.0


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What the speed layer told of itself: counts since its processes' starts, rates of their last seconds.

    `delay_seconds` is the slowest scorer's median from an event's time to its being in the store; None without events.
    """

    scorers: int = 0
    events_per_second: float = 0.0
    lag: int = 0
    delay_seconds: float | None = None
    late: int = 0
    duplicates: int = 0
    quarantined: int = 0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The generation in service (0: none), the age of what it knows by the configured clock, a round trip's time."""

    generation: int
    age_seconds: float
    round_trip_ms: float


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything; `known` is None while the store is away, `reasons` say why the server is not ready.

    `answers_per_second` since the look before, `answered` since the server's start.
    """

    at: str
    reasons: list[str]
    known: Known | None
    flow: Flow
    answers_per_second: float
    answered: Answered


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
            reasons, known, flow = (
                await self._answers.unready(),
                await self._known(),
                flow_of(await self._store.living()),
            )
        except StoreError as error:
            reasons, known, flow = [str(error)], None, Flow()
        return Beat(
            at=rfc3339(wall_now()), reasons=reasons, known=known, flow=flow, answers_per_second=round(rate, 1),
            answered=counted,
        )  # fmt: skip

    async def _known(self) -> Known:
        began = time.perf_counter()
        generations, clock = await self._store.pointer()
        taken = time.perf_counter() - began
        age = max(0, self._answers.now(clock, generations) - generations.current_horizon)
        return Known(generation=generations.current, age_seconds=age / SECOND, round_trip_ms=taken * 1000)


def flow_of(told: Sequence[bytes]) -> Flow:
    """What scorers and queries told of themselves (JSON), together."""
    found: list[dict[str, Any]] = [msgspec.json.decode(one) for one in told]
    scorers = [one for one in found if "totals" in one]
    # In micro-batches the queries themselves apply; else they gate what the scorers count.
    flowing = scorers or [one for one in found if one["query"].startswith("speed-")]
    counted = [one["totals"] for one in scorers] or [one["counts"] for one in flowing]
    total = {name: sum(one.get(name, 0) for one in counted) for name in ("late", "duplicates", "quarantined")}
    delays = [one["delay_seconds"]["p50"] for one in scorers if one["delay_seconds"]]
    return Flow(
        scorers=len(scorers), events_per_second=round(sum(one["per_second"] for one in flowing), 1),
        lag=sum(sum(one["lag"].values()) for one in flowing),
        delay_seconds=max(delays, default=None), **total,
    )  # fmt: skip
