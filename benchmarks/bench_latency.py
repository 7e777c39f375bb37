"""How long a view takes from Kafka's acknowledgement to the viewer's new recommendations in the store.

Both modes of the speed layer, as the processes that an operator runs, beside the usual way: windows held in Spark's
state, collected and scored by the very same function at each trigger. Views come at an even rate, each of another
viewer; the store itself tells when an entity was written. In real-time mode nothing flows at the end of a batch of a
minute: the views of those moments are in the percentiles of all, and left out of the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, at_most, reported
from benchmarks.service import HORIZON, TITLES, USERS, service
from lambda_arch.clock import rfc3339
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.scoring import top_titles_many
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Profile, Seen
from streaming.source import raw_records

RATE, SECONDS, SEED, WARM_UP = 200, 90, 20160101, 1_000
BOUNDARY_SECONDS, PATIENCE_SECONDS = 1.5, 60.0
_profile = msgspec.msgpack.Decoder(Profile)
Floats = NDArray[np.float64]


class Measured(msgspec.Struct, frozen=True):
    """When views were acknowledged, in seconds since the epoch, and milliseconds from there to the store."""

    at: Floats
    taken: Floats

    def percentile(self, share: float) -> list[float]:
        """Of each third of the run."""
        return [float(np.percentile(part, share)) for part in np.array_split(self.taken, 3)]

    def without(self, moments: list[float]) -> Measured:
        """Without the views acknowledged near some moments."""
        near = np.zeros(len(self.at), dtype=bool)
        for moment in moments:
            near |= np.abs(self.at - moment) < BOUNDARY_SECONDS
        return Measured(self.at[~near], self.taken[~near])


def rows(ground: Ground) -> list[Row]:
    """Percentiles of all three, and how many times sooner the speed layer answers."""
    with service(ground, "realtime", SEED, ["gate", "scorer"], mode="realtime") as (config, store):
        everything = measured(config, store)
        realtime = everything.without(boundaries(config))
    with service(ground, "microbatch", SEED, ["gate"], mode="microbatch") as (config, store):
        microbatch = measured(config, store)
    with service(ground, "windows", SEED, []) as (config, store), windows(ground, config, store):
        usual = measured(config, store)
    what = f"{RATE} views/s, {USERS:,} viewers, {TITLES:,} titles × 64"
    state = f"windows in Spark's state; {what}"
    times = [slow / fast for slow, fast in zip(usual.percentile(50), realtime.percentile(50), strict=True)]
    return [
        at_most(15, "view to answer, realtime, p50", realtime.percentile(50), "ms", what),
        at_most(60, "view to answer, realtime, p99", realtime.percentile(99), "ms", f"{what}; outside boundaries"),
        reported("view to answer, realtime, p99.5", everything.percentile(99.5), "ms", f"{what}; boundaries too"),
        at_most(250, "view to answer, microbatch, p50", microbatch.percentile(50), "ms", what),
        at_most(600, "view to answer, microbatch, p99", microbatch.percentile(99), "ms", what),
        reported("view to answer, windows, p50", usual.percentile(50), "ms", state),
        reported("view to answer, windows, p99", usual.percentile(99), "ms", state),
        at_least(20, "view to answer, realtime", times, "times sooner", state),
    ]


def measured(config: Config, store: Store) -> Measured:
    """Send views at the rate, some of other viewers beforehand, and wait for the answer to each."""
    drawn = np.random.default_rng(SEED).permutation(USERS)[: WARM_UP + RATE * SECONDS].tolist()
    with Watch(store) as watch:
        acknowledged: dict[int, float] = {}
        send(config, drawn[:WARM_UP], RATE, acknowledged)
        watch.wait(drawn[:WARM_UP])
        send(config, drawn[WARM_UP:], RATE, acknowledged)
        watch.wait(drawn[WARM_UP:])
    asked = drawn[WARM_UP:]
    at = np.array([acknowledged[user] for user in asked])
    return Measured(at, np.maximum(0, np.array([watch.written[user] for user in asked]) - at) * 1000)


def send(config: Config, users: list[int], rate: float, acknowledged: dict[int, float]) -> None:
    """A view of each user, evenly; notes when the broker acknowledged it."""
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap, "enable.idempotence": True, "linger.ms": 1})
    begun = time.monotonic()
    for number, user in enumerate(users):
        while (left := begun + number / rate - time.monotonic()) > 0:
            producer.poll(left)
        producer.produce(
            config.kafka.topics.events,
            msgspec.json.encode(view(user)),
            str(user),
            on_delivery=_noted(acknowledged, user),
        )
    producer.flush(PATIENCE_SECONDS)


def view(user: int) -> dict[str, object]:
    """The view that a user sends."""
    return {
        "event_id": f"view-{user}", "event_type": "view", "user_id": str(user), "title_id": f"title-{user % TITLES}",
        "event_time": rfc3339(HORIZON + user * MILLION), "value": 1.0,
    }  # fmt: skip


def _noted(acknowledged: dict[int, float], user: int) -> Callable[[object, object], None]:
    def note(error: object, _: object) -> None:
        if error is not None:
            raise RuntimeError(f"a view was not acknowledged: {error}")
        acknowledged[user] = time.time()

    return note


class Watch:
    """Notes when each user was first written, as the store tells its subscribers."""

    def __init__(self, store: Store) -> None:
        self.written: dict[int, float] = {}
        store.redis.config_set("notify-keyspace-events", "Kh")
        self._told = store.redis.pubsub()
        self._told.psubscribe("__keyspace@0__:la:{u:*}:s")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        self._told.close()

    def wait(self, users: list[int]) -> None:
        """Until all of them were written; raises where some are not for long."""
        until = time.monotonic() + PATIENCE_SECONDS
        while missing := set(users) - self.written.keys():
            if time.monotonic() > until:
                raise RuntimeError(f"{len(missing)} of {len(users)} views without an answer: see var/log/")
            time.sleep(0.1)

    def _listen(self) -> None:
        while not self._ended.is_set():
            if (message := self._told.get_message(timeout=0.2)) and message["type"] == "pmessage":
                self.written.setdefault(int(message["channel"].split(b"{u:")[1].split(b"}")[0]), time.time())


def boundaries(config: Config) -> list[float]:
    """When batches of the real-time query of events ended."""
    commits = Path(config.paths.checkpoints) / "realtime-events" / "commits"
    return [found.stat().st_mtime for found in commits.iterdir() if found.name.isdigit()]


@contextmanager
def windows(ground: Ground, config: Config, store: Store) -> Iterator[None]:
    """The usual way, running: what a user watched on a day is held by Spark, in memory, and scored when it changes."""
    models, count = store.models(1), config.batch.top_n
    assert models is not None
    spark = ground.spark
    value = F.from_json(
        F.col("value").cast("string"), "event_id string, user_id string, title_id string, event_time timestamp"
    )
    watched = F.collect_set(F.struct("event_time", "title_id")).alias("watched")
    query = (
        raw_records(spark, config.kafka, config.kafka.topics.events)
        .select(value.alias("event"))
        .select("event.*")
        .withWatermark("event_time", "1 day")
        .groupBy(F.window("event_time", "1 day"), "user_id")
        .agg(watched)
        .writeStream.outputMode("update")
        .foreachBatch(lambda batch, _: score(batch, store, models, count))
        .option("checkpointLocation", f"{config.paths.checkpoints}/windows")
        .start()
    )
    try:
        yield
    finally:
        query.stop()


def score(batch: DataFrame, store: Store, models: Models, count: int) -> None:
    """What changed in Spark's windows, onto the night's profile, to recommendations in the store."""
    changed = batch.collect()
    if not changed or models.recommend is None:
        return
    stored = store.read_entities([f"u:{row.user_id}" for row in changed], 1)
    histories = [
        [*(Seen(0, 0, seen.title_id, MILLION) for seen in row.watched), *_known(entity.profile)]
        for row, entity in zip(changed, stored, strict=True)
    ]
    pipe = store.redis.pipeline(transaction=False)
    for row, best in zip(changed, top_titles_many(models.recommend, histories, count), strict=True):
        pipe.hset(f"la:{{u:{row.user_id}}}:s", "recommend", msgspec.json.encode(best))
    pipe.execute()


def _known(profile: bytes | None) -> tuple[Seen, ...]:
    return tuple(_profile.decode(profile).lifetime.history) if profile else ()
