"""What one scorer sustains, beside one solve per event in a plain loop: gated records in, answers in a store.

The broker is left out on both sides. Users are drawn alike often, so that hardly one comes twice in a batch; a scorer
merges each event into the night's profile and says all three use cases, the loop solves for the best titles alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.bench_publish import store_below
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from benchmarks.service import HORIZON, RANK, TITLES, USERS, publish
from lambda_arch.config import Config
from lambda_arch.models import Models, RecommendModel
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event, Profile
from streaming.apply import Applier

EVENTS, SAMPLE, ROUNDS, SEED = 20_000, 500, 3, 20160101
_profile = msgspec.msgpack.Decoder(Profile)


def rows(ground: Ground) -> list[Row]:
    """Events a second of both, their ratio, and what an event costs the scorer's own processor."""
    rng = np.random.default_rng(SEED)
    with store_below(Path(ground.config.paths.lake).parent) as url:
        store = Store(url, 1)
        models = publish(store, rng)
        rounds = [events(rng, start * EVENTS) for start in range(ROUNDS)]
        applier = Applier(store, ground.config.features.history_limit, ground.config.batch.top_n)
        applier.apply(encoded(events(rng, ROUNDS * EVENTS))[:SAMPLE])
        taken = [scored(applier, encoded(found), ground.config.speed.scorer_batch) for found in rounds]
        loop = [EVENTS / SAMPLE * in_a_loop(store, models, found[:SAMPLE], ground.config) for found in rounds]
        store.redis.close()
    gain = [slow / wall for slow, (wall, _) in zip(loop, taken, strict=True)]
    size = f"{USERS:,} users, {TITLES:,} titles, rank {RANK}, one process"
    usual = f"one solve per event in a plain loop, {SAMPLE} counted up"
    return [
        at_least(5_000, "events applied", [EVENTS / wall for wall, _ in taken], "events/s", size),
        at_least(5, "events applied", gain, "times", usual),
        reported("an event's own processor time", [cpu / EVENTS * 1e6 for _, cpu in taken], "µs", "the scorer alone"),
        reported("one solve per event", [EVENTS / slow for slow in loop], "events/s", usual),
    ]


def scored(applier: Applier, values: Sequence[bytes], batch: int) -> tuple[float, float]:
    """Seconds on the wall's clock, and of the process, to apply them in batches."""
    wall, cpu = time.perf_counter(), time.process_time()
    for begin in range(0, len(values), batch):
        applier.apply(values[begin : begin + batch])
    return time.perf_counter() - wall, time.process_time() - cpu


def in_a_loop(store: Store, models: Models, found: Sequence[Event], config: Config) -> float:
    """Seconds of the usual way: read, solve the dense equations, score all titles, write, for each event."""
    assert models.recommend
    begun = time.perf_counter()
    for event in found:
        entity = f"u:{event.user_id}"
        own = _profile.decode(store.entity(entity, 1)["profile"])
        best = solved(models.recommend, [event.title_id, *(seen.title for seen in own.lifetime.history)], config)
        store.redis.hset(f"naive:{entity}", "recommend", msgspec.json.encode(best))
    return time.perf_counter() - begun


def solved(model: RecommendModel, seen: Sequence[str | None], config: Config) -> list[str]:
    """The best titles by one dense solve."""
    held = [model.row[title] for title in dict.fromkeys(seen) if title is not None]
    own = model.factors[held].astype(np.float64)
    confidence = model.fold_in.alpha * model.fold_in.recency(len(held))
    system = model.regular(len(held)) + own.T @ (confidence[:, None] * own)
    scores = model.factors @ np.linalg.solve(system, own.T @ (1 + confidence))
    scores[held] = -np.inf
    return [model.titles[row] for row in np.argsort(-scores)[: config.batch.top_n]]


def events(rng: np.random.Generator, first: int) -> list[Event]:
    """A round's views, of users and titles drawn alike often."""
    return [
        Event(
            "events", 0, first + number, f"event-{first + number}", first + number, "view", str(rng.integers(USERS)),
            HORIZON + first + number, title_id=f"title-{rng.integers(TITLES)}", watched=MILLION, strength=MILLION,
        )
        for number in range(EVENTS)
    ]  # fmt: skip


def encoded(found: Sequence[Event]) -> list[bytes]:
    """Events as they stand in topic `gated`."""
    return list(map(msgspec.json.encode, found))
