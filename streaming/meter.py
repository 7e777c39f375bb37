"""What a scorer did and how it stands: counted as it goes, told every few seconds."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from lambda_arch.clock import SECOND, rfc3339, wall_now
from lambda_arch.models import Models
from streaming.outcome import Applied

REPORT_SECONDS = 5.0


class Totals(msgspec.Struct):
    """Counts since the scorer started.

    `conflicts` are compare-and-sets of a state that were refused and redone, `refused` those of a record that was not
    greater than the stored one; `applied`, `late` and `duplicates` are what became of records, each once. `lost` are
    records that the broker removed before they were taken.
    """

    records: int = 0
    written: int = 0
    rescored: int = 0
    conflicts: int = 0
    refused: int = 0
    applied: int = 0
    late: int = 0
    duplicates: int = 0
    quarantined: int = 0
    lost: int = 0


class Spread(msgspec.Struct, frozen=True):
    """How some values lie."""

    p50: float
    p99: float
    most: float


class ScorerReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a scorer stands: `totals` since its start, all else of the last few seconds.

    `lag` is by partition; `delay_seconds` from an event's time to its being in the store, `state_bytes` of the states
    written (both None where there was nothing); `model_versions` by use case. Times are RFC 3339.
    """

    host: str
    pid: int
    since: str
    at: str
    per_second: float
    totals: Totals
    lag: dict[int, int]
    delay_seconds: Spread | None
    state_bytes: Spread | None
    generation: int
    model_versions: dict[str, int]

    @property
    def scorer(self) -> str:
        """Its name among scorers."""
        return f"{self.host}-{self.pid}"


class Meter:
    """Counts what a scorer does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._since = clock, clock(), rfc3339(wall_now())
        self._totals, self._told = Totals(), 0
        self._delays: list[int] = []
        self._sizes: list[int] = []

    def add_quarantined(self, records: int) -> None:
        """Count records that were none of ours."""
        self._totals.quarantined += records

    def add(self, applied: Applied, event_times: Iterable[int], now: int) -> None:
        """Count what is in the store; times in microseconds."""
        totals = self._totals
        totals.records += applied.records
        totals.written += applied.written
        totals.applied += applied.counts.applied
        totals.late += applied.counts.late
        totals.duplicates += applied.counts.duplicates
        self._add_writes(applied)
        self._delays += [now - event_time for event_time in event_times]

    def add_lost(self, records: int) -> None:
        """Count records that were gone before they were taken."""
        self._totals.lost += records

    def add_rescored(self, applied: Applied) -> None:
        """Count a piece of a walk over silent entities."""
        self._totals.rescored += applied.written
        self._add_writes(applied)

    def is_due(self) -> bool:
        """Whether it is time for a report."""
        return self._clock() - self._began >= REPORT_SECONDS

    def report(self, models: Models, lag: Mapping[int, int]) -> ScorerReport:
        """How the scorer stands; the next report's seconds begin."""
        totals, began = msgspec.structs.replace(self._totals), self._clock()
        found = ScorerReport(
            host=socket.gethostname(), pid=os.getpid(), since=self._since, at=rfc3339(wall_now()),
            per_second=round((totals.records - self._told) / max(began - self._began, 1e-9), 1), totals=totals,
            lag=dict(lag), delay_seconds=spread([delay / SECOND for delay in self._delays]),
            state_bytes=spread(self._sizes), generation=models.generation,
            model_versions={use_case: model.version for use_case, model in models.in_service().items()},
        )  # fmt: skip
        self._began, self._told = began, totals.records
        self._delays, self._sizes = [], []
        return found

    def _add_writes(self, applied: Applied) -> None:
        self._totals.conflicts += applied.conflicts
        self._totals.refused += applied.refused
        self._sizes += applied.sizes


def spread(values: Sequence[float]) -> Spread | None:
    """How the values lie; None where there are none."""
    if not values:
        return None
    p50, p99, most = np.percentile(values, (50, 99, 100)).tolist()
    return Spread(round(p50, 3), round(p99, 3), round(most, 3))
