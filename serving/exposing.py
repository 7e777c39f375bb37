"""What goes out under a frequency cap -> the store's counts, beside the answers: none waits or fails for it.

What cannot be counted is dropped, and that is counted: an answer shown once more does less harm than one that is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import structlog

from lambda_arch.exposures import Exposure, note_exposures
from lambda_arch.reads import AsyncStore
from lambda_arch.store import StoreError

PAUSE_SECONDS = 0.1  # in which answers gather
AT_ONCE, WAITING = 500, 10_000  # answers of one round trip, and those that wait at the most
CLOSE_SECONDS = 3.0
Fate = Literal["counted", "dropped"]

log = structlog.get_logger("exposures")


class Exposing:
    """The way of exposures to the store; `told` is told what became of how many answers."""

    def __init__(self, store: AsyncStore, told: Callable[[Fate, int], None]) -> None:
        self._store, self._told = store, told
        self._waiting: list[Exposure] = []
        self._writing: asyncio.Task[None] | None = None
        self._away = False

    def note(self, exposure: Exposure) -> None:
        """Hand over what goes out; never waits, never raises."""
        if len(self._waiting) >= WAITING:
            self._told("dropped", 1)
            return
        self._waiting.append(exposure)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Count what waits, for seconds at most."""
        if self._writing:
            await asyncio.wait([self._writing], timeout=CLOSE_SECONDS)
            self._writing.cancel()

    async def _write(self) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        while self._waiting:
            some, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                await note_exposures(self._store, some)
            except StoreError as error:
                self._dropped(len(some), str(error))
            else:
                self._away = False
                self._told("counted", len(some))

    def _dropped(self, count: int, why: str) -> None:
        self._told("dropped", count)
        if not self._away:  # one line for an outage, however long
            self._away = True
            log.warning("what is shown is not counted", why=why, remedy="answers go on; caps by frequency begin later")
