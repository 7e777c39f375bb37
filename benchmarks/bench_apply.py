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
from lambda_arch.clock import DAY
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import ChurnModel, FoldIn, Models, RecommendModel, SegmentModel, Title
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Account, Event, Profile, Seen, Tile, merge_tiles, profile_of
from streaming.apply import Applier

USERS, TITLES, RANK, SEEN, SEED = 20_000, 20_000, 64, 35, 20160101
EVENTS, SAMPLE, ROUNDS = 20_000, 500, 3
HORIZON = 20_000 * DAY
GENRES = ("drama", "comedy", "action", "horror", "documentary", "children", "crime", "music")
ACCOUNT = {"tenure": "5", "monthly_charges": "70.5", "total_charges": "352.5", "contract": "Two years"}
_profile = msgspec.msgpack.Decoder(Profile)


def rows(ground: Ground) -> list[Row]:
    """Events a second of both, their ratio, and what an event costs the scorer's own processor."""
    rng = np.random.default_rng(SEED)
    with store_below(Path(ground.config.paths.lake).parent) as url:
        store, models = Store(url, 1), models_of(rng)
        profiles = (profile(rng, models) for _ in range(USERS))
        store.publish(1, ((f"u:{user}", {"profile": msgspec.msgpack.encode(own)}) for user, own in enumerate(profiles)))
        store.put_models(models, FidelityTable(1, {}))
        store.flip(1, HORIZON)
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


def models_of(rng: np.random.Generator) -> Models:
    """Models of the size of a service: random ones, for nobody's time depends on their values."""
    titles = [f"title-{number}" for number in range(TITLES)]
    catalogue = {title: Title(title, 2000, tuple(rng.choice(GENRES, 2, replace=False).tolist())) for title in titles}
    of_segment = [
        "titles",
        "mean:rating",
        "mean:watched",
        "count:view",
        "count:search",
        *(f"genre:{g}" for g in GENRES),
    ]
    of_churn = [f"{kind}:{name}" for name in list(ACCOUNT)[:3] for kind in ("number", "log")] + ["is:contract=Monthly"]
    return Models(
        generation=1, horizon=HORIZON, catalogue=catalogue,
        recommend=RecommendModel(
            name="als", version=1, titles=titles, factors=rng.normal(0, 0.3, (TITLES, RANK)).astype(np.float32),
            fold_in=FoldIn(640.0, 10.0, 0.1, 3.0, 5.0, 50.0, 2.0, 5.0), popular=list(range(50)),
            recent=rng.random(TITLES).astype(np.float32),
        ),
        segment=SegmentModel(
            name="kmeans", version=1, features=of_segment, mean=np.zeros(len(of_segment)),
            scale=np.ones(len(of_segment)), centres=rng.random((5, len(of_segment))), numbers=list(range(5)),
            names=list("abcde"), sizes=[1] * 5, popular=[[]] * 5,
        ),
        churn=ChurnModel(
            name="logistic", version=1, features=of_churn, coefficients=rng.normal(0, 0.1, len(of_churn)),
            intercept=0.0, cutoff=0.4, base_rate=0.2,
        ),
    )  # fmt: skip


def profile(rng: np.random.Generator, models: Models) -> Profile:
    """What the night knows of a user: about so many titles in the weeks before the horizon, and an account."""
    days: dict[int, list[Tile]] = {}
    for number in range(max(1, int(rng.lognormal(np.log(SEEN) - 0.32, 0.8)))):
        title = f"title-{rng.integers(TITLES)}"
        time_seen = HORIZON - (1 + number) * DAY * 2 // 3
        seen, genres = Seen(time_seen, number, title, MILLION // 2), dict.fromkeys(models.genres(title), MILLION // 4)
        day = Tile({"view": 1}, MILLION // 2, 0, genres, time_seen, time_seen, history=(seen,))
        days.setdefault(time_seen // DAY, []).append(day)
    joined = Tile({"account": 1}, first=HORIZON - DAY, last=HORIZON - DAY, account=Account(HORIZON - DAY, 0, ACCOUNT))
    days.setdefault(HORIZON // DAY - 1, []).append(joined)
    return profile_of({day: merge_tiles(tiles, 2000) for day, tiles in days.items()}, 2000)


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
