"""How long something takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def seconds(action: Callable[[], object]) -> float:
    """What one run of the action takes on the wall's clock."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def in_turns(rounds: int, *actions: Callable[[], object]) -> list[tuple[float, ...]]:
    """Seconds of each action over the rounds. They take turns, so that a slow moment of the machine hits them all."""
    taken = [[seconds(action) for action in actions] for _ in range(rounds)]
    return list(zip(*taken, strict=True))


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times as long, round by round."""
    return [left / right for left, right in zip(slow, fast, strict=True)]
