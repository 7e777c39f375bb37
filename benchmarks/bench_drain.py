"""A backlog of a million views drained by the speed layer's own processes: gate and two scorers, broker and store.

From the first write to the store until every gated record is committed and the states' counts are what was sent; the
start of the processes is left out. Users and titles are drawn alike often: a solve is shared only by those of a user's
events that a scorer takes together, as many as wait and its settings allow. From one scorer to two without the gate:
what waits is gated already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from benchmarks.backlog import Progress, gated, raw, send, views
from benchmarks.ground import Ground
from benchmarks.memory import Memory
from benchmarks.rows import Row, at_least, at_most, reported
from benchmarks.service import USERS, service
from deploy import servers
from lambda_arch.config import Config
from lambda_arch.states import Counts, counts_of
from lambda_arch.store import Store

EVENTS, ROUNDS, SCORERS = 1_000_000, 3, 2
FEWER, FEWER_ROUNDS = 200_000, 3
SEED = 20160101
START_SECONDS, PATIENCE_SECONDS, POLL_SECONDS = 600.0, 1800.0, 0.1


class Drained(NamedTuple):
    """Seconds that it took, and the memory of each program meanwhile."""

    seconds: float
    memory: Memory


def rows(ground: Ground) -> list[Row]:
    """Events a second, memory of gate and scorers, and what a second scorer gives."""
    whole = [_whole(ground, number) for number in range(ROUNDS)]
    memory = [drained.memory for drained in whole]
    one, two = zip(
        *[(_scored(ground, 1, number), _scored(ground, 2, number)) for number in range(FEWER_ROUNDS)], strict=True
    )
    size = f"{EVENTS:,} views of {USERS:,} users, gate and {SCORERS} scorers"
    fewer = f"{FEWER:,} gated views, no gate"
    return [
        at_least(15_000, "draining a backlog", [EVENTS / drained.seconds for drained in whole], "events/s", size),
        at_most(1.2, "gate, peak memory", [found.gib("gate") for found in memory], "GiB", "driver and its Python"),
        at_most(300, "scorer, peak memory", [found.gib("scorer") * 1024 for found in memory], "MiB", "the largest"),
        at_most(1.1, "scorer, memory flat", [found.growth("scorer") for found in memory], "times",
                "second half's peak against the first's"),
        at_least(1.6, "two scorers", [a / b for a, b in zip(one, two, strict=True)], "times", f"one; {fewer}"),
        reported("one scorer", [FEWER / seconds for seconds in one], "events/s", fewer),
        reported("two scorers", [FEWER / seconds for seconds in two], "events/s", fewer),
    ]  # fmt: skip


def _whole(ground: Ground, number: int) -> Drained:
    with service(ground, f"drain-{number}", SEED, [], scorers=SCORERS) as (config, _):
        send(config, config.kafka.topics.events, raw(views(SEED, EVENTS)))
        return _drained(config, ["gate", "scorer"], EVENTS)


def _scored(ground: Ground, scorers: int, number: int) -> float:
    with service(ground, f"scored-{scorers}-{number}", SEED, [], scorers=scorers) as (config, _):
        send(config, config.kafka.topics.gated, gated(views(SEED, FEWER)))
        return _drained(config, ["scorer"], FEWER).seconds


def _drained(config: Config, names: list[str], count: int) -> Drained:
    """Start the programs and wait until all is in the store; raises ValueError where its counts are others."""
    store = Store(config.store.url, config.store.ttl_days)
    with ThreadPoolExecutor(1) as pool, Progress(config) as progress:
        begun = pool.submit(_until, lambda: store.event_now() > 0, START_SECONDS)
        servers.start(config, names)
        began = begun.result()
        with Memory(config, names) as memory:
            ended = _until(lambda: progress.standing() == (count, count), PATIENCE_SECONDS)
    # After the end: reading all states takes the store's time.
    counts = sum((counts_of(state) for _, state in store.speed_states()), Counts())
    if counts != Counts(applied=count):
        raise ValueError(f"the store has {counts}, {count} events were sent")
    return Drained(ended - began, memory)


def _until(condition: Callable[[], bool], seconds: float) -> float:
    """The moment from which on it holds; raises TimeoutError where that does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the backlog was not drained, or not begun, within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic()
