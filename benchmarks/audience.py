"""A store that both layers have filled, and servers that answer from it: what measurements of answers stand on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import numpy as np

from benchmarks.service import HORIZON, TITLES, USERS, models_of
from lambda_arch.clock import HOUR, day_of, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.records import USER_USE_CASES, Layer, Prediction, UseCase, encode
from lambda_arch.states import State
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Seen, Tile

TOP, SINCE, START_SECONDS = 50, 3, 30.0
NOW = HORIZON + 5 * HOUR
# The batch layer is better at every lag that there is here: what is measured is the way there, not the choice.
FIDELITY = FidelityTable(
    1,
    {
        use_case: {"batch": {"2-4": Measure(0.2, 0.01, 99)}, "speed": {"2-4": Measure(0.1, 0.01, 99)}}
        for use_case in USER_USE_CASES
    },
)


def fill(store: Store, rng: np.random.Generator) -> None:
    """A generation of 20,000 viewers and as many titles, and of each viewer what the speed layer said since."""
    store.put_models(models_of(rng), FIDELITY)
    store.publish(1, ((f"u:{user}", hash_of(rng, f"u:{user}")) for user in range(USERS)))
    for first in range(0, USERS, 1000):
        users = [f"u:{user}" for user in range(first, first + 1000)]
        store.commit([Commit(user, 0, 0, state(rng), records(rng, user, "speed")) for user in users])
    store.flip(1, HORIZON)
    store.advance_clock(NOW)


def state(rng: np.random.Generator) -> bytes:
    """What the speed layer keeps of a viewer: the titles seen since the night, newest first."""
    seen = tuple(
        Seen(NOW - HOUR - at, at, f"title-{title}", MILLION)
        for at, title in enumerate(rng.integers(TITLES, size=SINCE))
    )
    tile = Tile(
        {"view": SINCE}, SINCE * MILLION, 0, {"drama": SINCE * MILLION}, seen[-1].time, seen[0].time, None, seen
    )
    day = day_of(NOW)
    return msgspec.msgpack.encode(State(tiles={day: tile}, ids={day: rng.bytes(8 * SINCE)}, fences={"events:0": 1}))


def hash_of(rng: np.random.Generator, entity: str, generation: int = 1) -> dict[str, bytes]:
    """What a generation says of a viewer, with a profile of usual size."""
    fields = {"profile": rng.bytes(600)}
    for record in records(rng, entity, "batch", generation):
        fields[record.use_case] = encode(record)
    return fields


def records(rng: np.random.Generator, entity: str, layer: Layer, generation: int = 1) -> list[Prediction]:
    """One layer's records of a viewer."""
    titles = [f"title-{title}" for title in rng.integers(TITLES, size=TOP)]
    scores = np.sort(rng.random(TOP))[::-1].round(6).tolist()
    values: dict[UseCase, dict[str, object]] = {
        "recommend": {"titles": titles, "scores": scores, "next": {"after": titles[-1], "titles": titles[:5]}},
        "segment": {"segment": 1, "name": "b", "distance": 0.5},
        "churn": {"probability": 0.31, "at_risk": False, "cutoff": 0.4},
    }
    as_of, evidence = (HORIZON - HOUR, 10) if layer == "batch" else (NOW - HOUR, 13)
    return [
        Prediction(
            use_case=use_case, entity=entity, value=value, layer=layer, model="m", model_version=1,
            as_of=rfc3339(as_of), evidence=evidence, generation=generation, written_at=rfc3339(NOW),
        )
        for use_case, value in values.items()
    ]  # fmt: skip


@contextmanager
def serving(command: Sequence[str], port: int, path: str, settings: dict[str, str]) -> Iterator[int]:
    """A server in a process of its own, as soon as it answers at `path`; gives its process id."""
    with subprocess.Popen([sys.executable, *command], env={**os.environ, **settings}) as server:
        try:
            _until_it_answers(f"http://127.0.0.1:{port}{path}")
            yield server.pid
        finally:
            server.terminate()


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5) as reply:
                reply.read()
            return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
