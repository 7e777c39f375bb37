"""A made-up service's events into files: events a second of the whole command's work, posts and truth included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least
from generate.pipeline import generate
from generate.plan import START, Plan

EVENTS, USERS, TITLES, DAYS, SEED, ROUNDS = 2_000_000, 200_000, 20_000, 90, 1, 3


def rows(ground: Ground) -> list[Row]:
    """Events a second, Parquet files."""
    plan = Plan(EVENTS, USERS, TITLES, DAYS, START, SEED, EVENTS // 50)
    found = []
    for _ in range(ROUNDS):
        with _folder(ground) as folder:
            found.append(float(generate(plan, folder, False, lambda _: None).events_per_second))
    return [at_least(200_000, "generate to files", found, "events/s", f"{EVENTS:,} events, {USERS:,} users")]


@contextmanager
def _folder(ground: Ground) -> Iterator[Path]:
    with TemporaryDirectory(dir=Path(ground.config.paths.lake).parent) as folder:
        yield Path(folder) / "made"
