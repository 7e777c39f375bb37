"""What one scorer sustains, beside one solve per event in a plain loop: gated records in, answers in a store.

The broker is left out on both sides. Users are drawn alike often: hardly one comes twice among the few hundred events
that a scorer takes while it keeps up, and some two or three times in what it takes when it can no longer. The first is
what an event costs at its dearest, the second what a scorer sustains. It merges each event into the night's profile and
says all three use cases, the loop solves for the best titles alone.
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
from lambda_arch.models import Models
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Event, Profile
from streaming.apply import Applier, decode_gated, in_pieces

EVENTS, BACKLOG, SAMPLE, ROUNDS, SEED = 20_000, 100_000, 500, 3, 20160101
_profile = msgspec.msgpack.Decoder(Profile)


def rows(ground: Ground) -> list[Row]:
    """Events a second of both, their ratio, and what an event costs the scorer's own processor."""
    rng, speed = np.random.default_rng(SEED), ground.config.speed
    with store_below(Path(ground.config.paths.lake).parent) as url:
        store = Store(url, 1)
        models = publish(store, rng)
        rounds = [events(rng, start * EVENTS) for start in range(ROUNDS)]
        applier = Applier(store, ground.config.features.history_limit, ground.config.batch.top_n)
        applier.apply(encoded(events(rng, ROUNDS * EVENTS))[:SAMPLE])
        few = [scored(applier, encoded(found), ground.config, speed.scorer_batch) for found in rounds]
        more = [later(rng, start) for start in range(ROUNDS)]
        taken = [scored(applier, encoded(found), ground.config, speed.backlog_batch) for found in more]
        loop = [EVENTS / SAMPLE * in_a_loop(store, models, found[:SAMPLE], ground.config) for found in rounds]
        store.redis.close()
    gain = [slow / wall for slow, (wall, _) in zip(loop, few, strict=True)]
    size = f"{USERS:,} users, {TITLES:,} titles, rank {RANK}, one process"
    usual = f"one solve per event in a plain loop, {SAMPLE} counted up"
    backlog = f"{size}; {speed.backlog_batch:,} taken together"
    return [
        at_least(5_000, "events applied", [BACKLOG / wall for wall, _ in taken], "events/s", backlog),
        reported("an event's own processor time", [cpu / BACKLOG * 1e6 for _, cpu in taken], "µs", backlog),
        at_least(5, "events applied, few at a time", gain, "times", usual),
        reported("events applied, few at a time", [EVENTS / wall for wall, _ in few], "events/s", size),
        reported("an event's own processor time", [cpu / EVENTS * 1e6 for _, cpu in few], "µs", "few at a time"),
        reported("one solve per event", [EVENTS / slow for slow in loop], "events/s", usual),
    ]


def scored(applier: Applier, values: Sequence[bytes], config: Config, batch: int) -> tuple[float, float]:
    """Seconds on the wall's clock, and of the process, to apply them as a scorer does, so many taken together."""
    wall, cpu = time.perf_counter(), time.process_time()
    for begin in range(0, len(values), batch):
        records = [decode_gated(value) for value in values[begin : begin + batch]]
        for piece in in_pieces(records, config.speed.scorer_batch):
            applier.apply_records(piece)
    return time.perf_counter() - wall, time.process_time() - cpu


def later(rng: np.random.Generator, number: int) -> list[Event]:
    """A round's backlog, after the rounds of few at a time."""
    begin = (ROUNDS + 1) * EVENTS + number * BACKLOG
    return [event for first in range(begin, begin + BACKLOG, EVENTS) for event in events(rng, first)]


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
