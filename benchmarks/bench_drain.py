"""A backlog of a million views drained by the speed layer's own processes: gate and two scorers, broker and store.

From the first write to the store until every gated record is committed and the states' counts are what was sent; the
start of the processes is left out. Users and titles are drawn alike often, so that hardly any comes twice in a batch,
and hardly any solve can be shared. From one scorer to two without the gate: what waits is gated already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.backlog import Progress, gated, raw, send, views
from benchmarks.bench_apply import HORIZON, USERS, models_of, profile
from benchmarks.ground import Ground
from benchmarks.memory import Memory
from benchmarks.rows import Row, at_least, at_most, reported
from deploy import servers
from deploy.ports import on_free_ports
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.store import Store
from streaming.state import Counts, counts_of

EVENTS, ROUNDS, SCORERS = 1_000_000, 3, 2
FEWER, FEWER_ROUNDS = 200_000, 3
SEED = 20160101
START_SECONDS, PATIENCE_SECONDS, POLL_SECONDS = 600.0, 1800.0, 0.1


class Generation(NamedTuple):
    """What a night published: models, and the users' profiles as stored."""

    models: Models
    profiles: Sequence[bytes]


class Drained(NamedTuple):
    """Seconds that it took, and the memory of each program meanwhile."""

    seconds: float
    memory: Memory


def rows(ground: Ground) -> list[Row]:
    """Events a second, memory of gate and scorers, and what a second scorer gives."""
    rng = np.random.default_rng(SEED)
    models = models_of(rng)
    night = Generation(models, [msgspec.msgpack.encode(profile(rng, models)) for _ in range(USERS)])
    whole = [_whole(ground, night) for _ in range(ROUNDS)]
    memory = [drained.memory for drained in whole]
    one, two = zip(*[(_scored(ground, night, 1), _scored(ground, night, 2)) for _ in range(FEWER_ROUNDS)], strict=True)
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


def _whole(ground: Ground, night: Generation) -> Drained:
    with _waiting(ground, night, SCORERS) as config:
        send(config, config.kafka.topics.events, raw(views(SEED, EVENTS)))
        return _drained(config, ["gate", "scorer"], EVENTS)


def _scored(ground: Ground, night: Generation, scorers: int) -> float:
    with _waiting(ground, night, scorers) as config:
        send(config, config.kafka.topics.gated, gated(views(SEED, FEWER)))
        return _drained(config, ["scorer"], FEWER).seconds


@contextmanager
def _waiting(ground: Ground, night: Generation, scorers: int) -> Iterator[Config]:
    """A broker without records, and a store with a generation."""
    jars = ground.config.paths.var / "jars"
    with TemporaryDirectory(dir=Path(ground.config.paths.lake).parent) as folder:
        config = on_free_ports(ground.config, Path(folder) / "var")
        speed = config.speed.model_copy(update={"mode": "realtime", "scorers": scorers})
        with servers.running(config.model_copy(update={"speed": speed}), ["kafka", "store"], jars) as started:
            store, generation = Store(started.store.url, started.store.ttl_days), night.models.generation
            store.publish(generation, ((f"u:{user}", {"profile": own}) for user, own in enumerate(night.profiles)))
            store.put_models(night.models, FidelityTable(generation, {}))
            store.flip(generation, HORIZON)
            store.redis.close()
            yield started


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
