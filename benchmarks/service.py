"""A service of real servers and jobs that measurements send events to: 20,000 viewers and as many titles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.ground import Ground
from deploy import servers
from deploy.ports import on_free_ports
from lambda_arch.clock import DAY
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import ChurnModel, Models, SegmentModel, Title
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Account, Profile, Seen, Tile, merge_tiles, profile_of

USERS, TITLES, RANK, SEEN = 20_000, 20_000, 64, 35
FADING = 0.8  # how fast popularity falls with its rank
HORIZON = 20_000 * DAY
GENRES = ("drama", "comedy", "action", "horror", "documentary", "children", "crime", "music")
ACCOUNT = {"tenure": "5", "monthly_charges": "70.5", "total_charges": "352.5", "contract": "Two years"}


@contextmanager
def service(ground: Ground, name: str, seed: int, jobs: Sequence[str], **speed: Any) -> Iterator[tuple[Config, Store]]:
    """Broker, store with a generation, and the jobs, below a folder of that name; `speed` are settings that differ."""
    paths = ground.config.paths
    config = on_free_ports(ground.config, Path(paths.lake).parent / name)
    config = config.model_copy(update={"speed": config.speed.model_copy(update=speed)})
    with servers.running(config, ["kafka", "store"], jars=paths.var / "jars"):
        store = Store(config.store.url, config.store.ttl_days)
        publish(store, np.random.default_rng(seed))
        if jobs:
            servers.up(config, jobs)
        yield config, store
        store.redis.close()


def publish(store: Store, rng: np.random.Generator) -> Models:
    """A generation of the service into a store."""
    models = models_of(rng)
    profiles = (profile(rng, models) for _ in range(USERS))
    store.publish(1, ((f"u:{user}", {"profile": msgspec.msgpack.encode(own)}) for user, own in enumerate(profiles)))
    store.put_models(models, FidelityTable(1, {}))
    store.flip(1, HORIZON)
    return models


def models_of(rng: np.random.Generator) -> Models:
    """Models of the size of a service, at random.

    What the search for the best titles costs depends on how long their factors are: as in trained models few are, those
    of popular titles (one in a hundred has fifteen times the median in ALS on a service made by `generate`, here five).
    """
    popularity = (1 + rng.permutation(TITLES)) ** -FADING
    factors = rng.normal(0, 0.3, (TITLES, RANK)) * np.sqrt(popularity)[:, None]
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
            name="als", version=1, titles=titles, factors=factors.astype(np.float32),
            fold_in=FoldIn(640.0, 10.0, 0.1, 3.0, 5.0, 50.0, 2.0, 5.0), popular=np.argsort(-popularity)[:50].tolist(),
            recent=popularity.astype(np.float32),
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
