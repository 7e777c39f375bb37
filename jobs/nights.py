"""Which nights are due, and running them in order: one at a time, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from lambda_arch.clock import DAY, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.keys import Generations
from lambda_arch.store import Store

REFUSED_CODE = 3


class Outcome(Enum):
    """How a night ended."""

    PUBLISHED = "published"
    REFUSED = "refused"
    FAILED = "failed"


class Ended(NamedTuple):
    """A night that ended; the reason is empty where it was published."""

    outcome: Outcome
    reason: str = ""


Runner = Callable[[int], Ended]


class NightError(RuntimeError):
    """A night failed, and those after it were not begun."""


def now(config: Config, store: Store) -> int:
    """What the configured clock shows, in microseconds; 0 where an event clock has seen nothing."""
    return wall_now() if config.clock == "wall" else store.event_now()


def last_midnight(moment: int) -> int:
    """The midnight that a moment's day began with."""
    return moment - moment % DAY


def due(last: int, moment: int, most: int) -> list[int]:
    """Horizons of the nights missed since the generation at `last` (0: none yet), oldest first.

    At most the newest `most`: what older ones would publish would be replaced within the hour. Without any generation
    only the newest is due.
    """
    newest = last_midnight(moment)
    first = last + DAY if last else newest
    return list(range(max(first, newest - (most - 1) * DAY), newest + 1, DAY)) if newest else []


def missing(days: Iterable[int], in_lake: Mapping[int, int], pointer: Generations) -> list[int]:
    """Of the days those that need a night: not in the lake (horizon by generation), or there and never in service.

    A night that is killed between lake and pointer leaves such a one; what was rolled back stays rolled back.
    """
    done = {
        horizon
        for number, horizon in in_lake.items()
        if horizon <= pointer.current_horizon or number in pointer.withdrawn
    }
    return [day for day in days if day not in done]


def run_in_order(horizons: Iterable[int], run: Runner, say: Callable[[str], None]) -> None:
    """Run the nights one after the other; raises NightError with the reason of the first that fails.

    A refused night does not hold up those after it: they know more, and are judged anew.
    """
    for horizon in horizons:
        ended = run(horizon)
        if ended.outcome is Outcome.FAILED:
            raise NightError(f"the night at {rfc3339(horizon)} failed, later ones were not begun: {ended.reason}")
        say(f"{rfc3339(horizon)} {ended.outcome.value}{': ' if ended.reason else ''}{ended.reason}")


def in_own_process(horizon: int, *options: str) -> Ended:
    """The night as a process, whose memory returns to the machine with its end."""
    command = [sys.executable, "-m", "jobs.run_batch", "--horizon", rfc3339(horizon), *options]
    told = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(told.stderr)
    lines = told.stderr.strip().splitlines() or [f"exit code {told.returncode}, see its output"]
    if told.returncode == REFUSED_CODE:
        return Ended(Outcome.REFUSED, lines[-1])
    return Ended(Outcome.FAILED, lines[-1]) if told.returncode else Ended(Outcome.PUBLISHED)
