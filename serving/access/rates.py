"""How often a key may ask: the generic cell rate algorithm (ITU-T I.371), one number per key.

A key may ask `burst` times at once and `per_second` times a second after that. No window has an edge at which twice as
much gets in, and how long to wait is known exactly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Rate(NamedTuple):
    """Requests a second, and how many of them at once."""

    per_second: float
    burst: int


class Rates:
    """What each holder has used; of this process alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def wait(self, holder: str, rate: Rate) -> float:
        """0 where the holder may ask now, which is then noted; else the seconds after which it may."""
        now, interval = self._clock(), 1 / rate.per_second
        due = max(self._due.get(holder, now), now)
        early = due - now - (rate.burst - 1) * interval
        if early > 1e-9:
            return early
        self._due[holder] = due + interval
        return 0.0
