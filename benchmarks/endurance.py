"""A mixed load for minutes: reads, writes and streams, with a flip, a rollback, a killed scorer and a store restart.

`python -m benchmarks.endurance --minutes 10`. Viewers' events go to topic `gated`, where the gate would put them, so
that no Spark is needed; what is handed in over HTTP goes to `events`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import psutil
from confluent_kafka import Producer

from audience_client import ApiError, AudienceClient, UnreachableError
from audience_client.wishes import Event as Handed
from benchmarks.service import HORIZON, TITLES, models_of, profile
from deploy import servers
from deploy.ports import on_free_ports
from deploy.states import status
from lambda_arch.audience import Listed, Lists, Piece
from lambda_arch.clock import HOUR, SECOND, rfc3339, wall_now
from lambda_arch.config import Config, load_config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.predictions import Scoring, predict_user
from lambda_arch.records import decode, encode
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event
from serving.decision_topic import logged
from serving.entries import Entry

VIEWERS, READERS, SEED = 200, 3, 20160101
PROGRAMS = ("kafka", "store", "scorer", "api")


class Found(msgspec.Struct):
    """What a load found: answers and files that were had, refusals while the store was away, and all else."""

    answers: int = 0
    files: int = 0
    away: int = 0
    applied: int = 0
    decisions: int = 0
    generations: list[int] = []
    faults: list[str] = []
    mixtures: list[str] = []


class Load:
    """Clients that ask and hand in until they are stopped."""

    def __init__(self, config: Config) -> None:
        self.found, self._config, self._stopped = Found(), config, threading.Event()
        self._url = f"http://{config.serving.host}:{config.serving.port}"
        self._is_away, self._counted = threading.Event(), threading.Lock()
        tasks = [self._ask] * READERS + [self._stream, self._hand_in, self._watch]
        self._threads = [threading.Thread(target=self._run, args=(task, SEED + n)) for n, task in enumerate(tasks)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load, inside the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    @contextmanager
    def without_a_store(self) -> Iterator[None]:
        """Inside the block, and for the seconds until it is noticed, a 503 is what is promised."""
        self._is_away.set()
        yield
        time.sleep(3)
        self._is_away.clear()

    def _run(self, task: Callable[[AudienceClient, random.Random], None], seed: int) -> None:
        drawn = random.Random(seed)
        with AudienceClient(self._url, timeout=20, patience=0) as client:
            while not self._stopped.is_set():
                try:
                    task(client, drawn)
                except (ApiError, UnreachableError) as error:
                    self._failed(error)

    def _failed(self, error: ApiError | UnreachableError) -> None:
        promised = isinstance(error, UnreachableError) or error.status == 503
        with self._counted:
            if self._is_away.is_set() and promised:
                self.found.away += 1
            else:
                self.found.faults.append(str(error)[:300])
        time.sleep(0.05)

    def _ask(self, client: AudienceClient, drawn: random.Random) -> None:
        user = str(drawn.randrange(VIEWERS + 20))  # some of whom nobody knows
        client.recommendations(user, n=drawn.choice((5, 10)))
        client.churn(user)
        client.segment(user)
        client.predictions([user, str(drawn.randrange(VIEWERS))])
        with self._counted:
            self.found.answers += 4

    def _stream(self, client: AudienceClient, _: random.Random) -> None:
        with client.members(0) as rows:
            sum(1 for _ in rows)
        with self._counted:
            self.found.files += 1
        time.sleep(0.1)

    def _hand_in(self, client: AudienceClient, drawn: random.Random) -> None:
        event: Handed = {
            "event_id": f"h{drawn.getrandbits(60)}", "event_type": "search", "user_id": "1",
            "event_time": rfc3339(wall_now()),
        }  # fmt: skip
        client.post_events([event])
        time.sleep(0.05)

    def _watch(self, _: AudienceClient, drawn: random.Random) -> None:
        producer = Producer({"bootstrap.servers": self._config.kafka.bootstrap, "partitioner": "murmur2_random"})
        offset = 0
        while not self._stopped.wait(0.02):
            offset += 1
            event = Event(
                topic="events", partition=0, offset=offset, event_id=f"w{offset}", id_hash=drawn.getrandbits(62),
                event_type="view", user_id=str(drawn.randrange(VIEWERS)), event_time=HORIZON + offset * SECOND,
                title_id=f"title-{drawn.randrange(TITLES)}", watched=MILLION, strength=MILLION,
            )  # fmt: skip
            producer.produce(self._config.kafka.topics.gated, msgspec.json.encode(event), event.user_id)
            producer.poll(0)
        producer.flush(30)
        self.found.applied = offset


def publish(store: Store, models: Models, generation: int) -> None:
    """A whole generation of the viewers, made current."""
    rng, horizon = np.random.default_rng(SEED), HORIZON + generation
    made = msgspec.structs.replace(models, generation=generation, horizon=horizon)
    scoring = Scoring(made, "batch", horizon, horizon, 50)
    rows, members = list[tuple[str, dict[str, bytes]]](), list[str]()
    for user in range(VIEWERS):
        own = profile(rng, models)
        records: dict[str, bytes] = {
            record.use_case: encode(record) for record in predict_user(str(user), own, scoring)
        }
        members += [str(user)] if decode(records["segment"]).value["segment"] == 0 else []
        rows.append((f"u:{user}", {"profile": msgspec.msgpack.encode(own), **records}))
    store.reserve(generation, horizon)
    store.publish(generation, rows)
    store.put_pieces(generation, [("segment:0", 0, Piece(sorted(members)))])
    store.put_lists(Lists(generation, {"segment:0": Listed(len(members), 1)}))
    store.put_models(made, FidelityTable(generation, {}))
    store.put_report(generation, json.dumps({"users": VIEWERS, "titles": 0}).encode())
    store.flip(generation, horizon)


def endure(config: Config, seconds: float) -> Found:
    """Run the load for so long over broker, store, scorer and API that are up; five things happen meanwhile."""
    store = Store(config.store.url, config.store.ttl_days)
    models, load, pause = models_of(np.random.default_rng(SEED)), Load(config), seconds / 6
    for generation in (1, 2):
        publish(store, models, generation)
    store.advance_clock(HORIZON + HOUR)
    with load.running(), AudienceClient(f"http://{config.serving.host}:{config.serving.port}") as operator:
        time.sleep(pause)
        publish(store, models, 3)
        time.sleep(pause)
        operator.roll_back(to=2)
        time.sleep(pause)
        for scorer in (one for one in status(config) if one.name.startswith("scorer") and one.pid):
            psutil.Process(scorer.pid).kill()
        time.sleep(pause)
        with load.without_a_store():
            servers.stop(config, ["store"])
            time.sleep(1)
            servers.start(config, ["store"])
        time.sleep(pause)
    store.redis.close()
    servers.stop(config, ["api"])  # which sends what waits to be logged
    return judged(config, load.found)


def judged(config: Config, found: Found) -> Found:
    """The same with what the decision log says."""
    seen = Counter[int]()
    for entry in (one.entry for one in logged(config.kafka) if one.entry):
        found.decisions += 1
        seen[entry.generations.current] += 1
        if mixed := mixture(entry):
            found.mixtures.append(f"{entry.entity} {entry.use_case}: {mixed}")
    found.generations = sorted(seen)
    return found


def mixture(entry: Entry) -> str | None:
    """What of an answer is of another generation than it says, or than was in service when it was read.

    New models are loaded beside the answers: until they are there a fallback is of those in memory, and says so.
    """
    current, answer = entry.generations.current, entry.answer
    if answer.layer == "batch" and answer.generation != current:
        return f"batch answers with generation {answer.generation}, in service was {current}"
    if answer.layer == "speed" and answer.generation not in (current, entry.generations.previous):
        return f"speed answers with generation {answer.generation}, in service was {current}"
    if answer.layer == "fallback" and answer.generation != entry.loaded:
        return f"a fallback of generation {entry.loaded} says that it is of {answer.generation}"
    return None


def settings(var: Path) -> Config:
    """Free ports, the clock of events, and every decision logged."""
    plain = on_free_ports(load_config({}), var)
    decisions = plain.serving.decisions.model_copy(update={"share": 1.0, "buffer": 100_000})
    access = plain.serving.access.model_copy(update={"keys_file": var / "keys.json"})
    serving = plain.serving.model_copy(update={"decisions": decisions, "access": access})
    return plain.model_copy(update={"clock": "event", "serving": serving})


def main() -> None:
    """Run it, and print what was found; ends with 1 where something was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    jars = load_config().paths.var / "jars"
    with tempfile.TemporaryDirectory() as folder:
        config = settings(Path(folder) / "var")
        with servers.running(config, PROGRAMS, jars=jars if jars.is_dir() else None):
            found = endure(config, 60 * minutes)
    print(json.dumps(msgspec.to_builtins(found), indent=2))
    sys.exit(bool(found.faults or found.mixtures))


if __name__ == "__main__":
    main()
