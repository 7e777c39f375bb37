"""What was hidden, to judge answers by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from generate.columns import Names
from generate.plan import Floats, Ints, Plan
from generate.titles import NEVER
from generate.world import World


def write_truth(folder: Path, plan: Plan, world: World, names: Names, posts: Ints, positive: Ints) -> None:
    """`truth/users.parquet` and `truth/titles.parquet`; `posts` and `positive` are counts by title."""
    truth = folder / "truth"
    truth.mkdir()
    pq.write_table(_users(plan, world, names), truth / "users.parquet", store_schema=False)
    pq.write_table(_titles(world, names, posts, positive), truth / "titles.parquet", store_schema=False)


def _users(plan: Plan, world: World, names: Names) -> Any:
    """Tastes at both ends of the span; `hazard`: mean per day; days count from the first, null: never."""
    users, lives = world.users, world.lives
    return pa.table({
        "user_id": names.users,
        "segment": pa.array(users.segment),
        "taste_start": _vectors(users.taste),
        "taste_end": _vectors(users.taste + users.taste_move),
        "activity": pa.array(users.activity),
        "decline_day": pa.array(users.decline_day, mask=np.isinf(users.decline_day)),
        "change_day": pa.array(users.change_day, mask=users.change_day >= plan.days),
        "hazard": pa.array(lives.hazard),
        "cancel_day": pa.array(lives.cancel_day, mask=lives.cancel_day >= plan.days),
    })  # fmt: skip


def _titles(world: World, names: Names, posts: Ints, positive: Ints) -> Any:
    titles = world.titles
    return pa.table({
        "title_id": names.titles,
        "vector": _vectors(titles.vector),
        "popularity": pa.array(titles.popularity),
        "burst_day": pa.array(titles.burst_day, mask=titles.burst_day == NEVER),
        "quality_start": pa.array(titles.quality),
        "quality_end": pa.array(titles.quality + titles.quality_move),
        "positive_share_start": pa.array(titles.positive_share(0.0)),
        "positive_share": pa.array(titles.positive_share(0.5)),
        "positive_share_end": pa.array(titles.positive_share(1.0)),
        "posts": pa.array(posts),
        "positive_posts": pa.array(positive),
    })  # fmt: skip


def _vectors(rows: Floats) -> Any:
    flat = pa.array(rows.astype(np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32()), flat)
