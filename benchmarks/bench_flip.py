"""The longest time between an answer asked and had while a generation flips, beside as long a time at rest just before.

Two generations of 20,000 titles and as many viewers take turns; the process of answers loads the other one's models at
each flip. Eight connections ask 200 times a second in all, far from what the process can do: what is looked for is a
pause, not how much it does meanwhile. Under rules a generation's titles are also made into columns at the flip.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import msgspec
import numpy as np

from benchmarks.audience import FIDELITY, fill, hash_of, serving
from benchmarks.bench_publish import store_below
from benchmarks.ground import Ground
from benchmarks.rows import Row, reported
from benchmarks.service import HORIZON, RANK, TITLES, USERS, models_of
from benchmarks.steady import CONNECTIONS, EVERY_SECONDS, Answered, asking
from deploy.ports import free_ports
from lambda_arch.store import Store

ROUNDS, WINDOW_SECONDS, SEED = 9, 2.0, 20160101
RULES = "placements: {default: {exclude: [{genres: [horror]}]}}\n"


class Flipped(NamedTuple):
    """Milliseconds: the longest answer at rest and at the flip, the usual one at both, and until models are loaded."""

    longest_at_rest: float
    longest: float
    usual_at_rest: float
    usual: float
    loaded: float


def rows(ground: Ground) -> list[Row]:
    """The flip and the rest before it, without rules and with some."""
    with store_below(Path(ground.config.paths.lake).parent) as url, tempfile.TemporaryDirectory() as folder:
        store = Store(url, 1)
        two_generations(store, np.random.default_rng(SEED))
        rules = Path(folder) / "rules.yaml"
        rules.write_text(RULES, encoding="utf-8")
        with server(url) as port:
            plain = asyncio.run(flips(store, port))
        with server(url, {"LAMBDA_ARCH__SERVING__RULES": str(rules)}) as port:
            ruled = asyncio.run(flips(store, port))
        store.redis.close()
    size = f"{TITLES:,} titles × {RANK}, {CONNECTIONS} connections, {CONNECTIONS / EVERY_SECONDS:.0f} answers/s"
    return [*told("", plain, size), *told(" under rules", ruled, size)]


def told(kind: str, found: Sequence[Flipped], size: str) -> list[Row]:
    """The rows of one kind of questions."""
    return [
        reported(f"longest answer{kind}, a generation flips", [one.longest for one in found], "ms", size),
        reported(f"longest answer{kind}, at rest", [one.longest_at_rest for one in found], "ms", size),
        reported(f"median answer{kind}, a generation flips", [one.usual for one in found], "ms"),
        reported(f"median answer{kind}, at rest", [one.usual_at_rest for one in found], "ms"),
        reported(f"from the flip to the models in memory{kind}", [one.loaded for one in found], "ms"),
    ]


def two_generations(store: Store, rng: np.random.Generator) -> None:
    """Generation 1, which is current, and 2, of the same horizon, so that each may follow the other."""
    fill(store, rng)
    store.put_models(msgspec.structs.replace(models_of(rng), generation=2), FIDELITY)
    store.publish(2, ((f"u:{user}", hash_of(rng, f"u:{user}", 2)) for user in range(USERS)))


async def flips(store: Store, port: int) -> list[Flipped]:
    """What each flip gives, after one that warms up."""
    drawn = random.Random(SEED)
    async with asking(port, lambda: f"/v1/users/{drawn.randrange(USERS)}/recommendations") as answers:
        found = [await flip(store, port, answers) for _ in range(1 + ROUNDS)]
    return found[1:]


async def flip(store: Store, port: int, answers: list[Answered]) -> Flipped:
    """A time at rest, then the flip to the other generation and as long a time; raises RuntimeError where it fails."""
    loop, other = asyncio.get_running_loop(), 3 - store.generations().current
    await asyncio.sleep(WINDOW_SECONDS)
    at = loop.time()
    await asyncio.to_thread(store.flip, other, HORIZON)
    await asyncio.to_thread(ready, port)
    loaded = loop.time() - at
    await asyncio.sleep(WINDOW_SECONDS - loaded)
    if loaded > WINDOW_SECONDS or f'"generation":{other}'.encode() not in answers[-1].body:
        raise RuntimeError(f"generation {other} is not in service {WINDOW_SECONDS:.0f} s after its flip")
    before = [one.seconds for one in answers if at - WINDOW_SECONDS <= one.due < at]
    since = [one.seconds for one in answers if at <= one.due < at + WINDOW_SECONDS]
    answers.clear()
    return Flipped(
        *(1000 * float(one) for one in (max(before), max(since), np.median(before), np.median(since), loaded))
    )


def ready(port: int) -> None:
    """Wait until the models of the current generation are in memory."""
    with urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as reply:
        reply.read()


@contextmanager
def server(url: str, more: dict[str, str] | None = None) -> Iterator[int]:
    """Our server in a process of its own, as it is by default but for the log of decisions; gives its port."""
    [port] = free_ports(1)
    own = {"STORE__URL": url, "CLOCK": "event", "SERVING__PORT": str(port), "SERVING__DECISIONS__SHARE": "0"}
    settings = {f"LAMBDA_ARCH__{name}": value for name, value in own.items()}
    with serving(["-m", "jobs.run_api"], port, "/ready", {"OPENBLAS_NUM_THREADS": "1", **settings, **(more or {})}):
        yield port
