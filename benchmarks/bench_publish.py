"""A generation of a million users into the store, beside one SET per row in foreachPartition.

Both are what an executor runs on its part of the rows, in two processes as on two cores; Spark's way of handing the
rows over is left out on both sides. Every round publishes a generation of its own, as every night does. The rival is
measured on a sample and counted up: its own keys never become many.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import cache, partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from batch.publish import written_to
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from benchmarks.timing import in_turns
from deploy.ports import free_ports
from deploy.programs import store_binary
from lambda_arch.config import Store as Settings
from lambda_arch.store import Store, StoreError

USERS, SAMPLE, ROUNDS, WRITERS, BATCH, SEED = 1_000_000, 40_000, 3, 2, 10_000, 20160101


def rows(ground: Ground) -> list[Row]:
    """Users a second of both, their ratio, and what a user takes in the store."""
    with store_below(Path(ground.config.paths.lake).parent) as url, writers() as pool:
        settings = ground.config.store.model_copy(update={"url": url})
        store, generations = Store(url, settings.ttl_days), count(1)
        usually = partial(_by_all, pool, partial(one_set_per_row, url))
        usually()  # its keys are there from now on, and are not counted among ours
        before = store.redis.info("memory")["used_memory"]
        sets, ours = in_turns(
            ROUNDS,
            usually,
            lambda: _by_all(pool, partial(by_columns, settings, next(generations))),
        )
        bytes_per_user = (store.redis.info("memory")["used_memory"] - before) / USERS / ROUNDS
        store.redis.close()
    counted_up = [seconds * USERS / SAMPLE for seconds in sets]
    usual = f"one SET per row, {SAMPLE} users counted up"
    return [
        at_least(
            20, "publishing 1M users", [a / b for a, b in zip(counted_up, ours, strict=True)], "times as fast", usual
        ),
        reported("publishing 1M users", ours, "s"),
        reported("one SET per row", counted_up, "s", usual),
        reported("in the store", [bytes_per_user], "bytes per user"),
    ]


@cache
def said() -> pa.RecordBatch:
    """What is said of so many users, in the sizes that records of the demo have; one in three has no churn record."""
    rng = np.random.default_rng(SEED)
    kinds = {"recommend": 1700, "segment": 300, "churn": 300}
    records = {kind: f'{{"use_case":"{kind}","value":"{"x" * size}"}}' for kind, size in kinds.items()}
    lists = [[{"use_case": kind, "record": record} for kind, record in list(records.items())[: 3 - (user % 3 == 0)]]
             for user in range(BATCH)]  # fmt: skip
    profiles = [rng.bytes(size) for size in rng.integers(300, 900, BATCH)]
    return pa.RecordBatch.from_pydict({"profile": profiles, "records": lists})


def batches(writer: int, users: int) -> Iterator[pa.RecordBatch]:
    """One writer's users."""
    for first in range(0, users, BATCH):
        entities = pa.array([f"u:{writer * users + user}" for user in range(first, min(first + BATCH, users))])
        part = said().slice(0, len(entities))
        yield pa.RecordBatch.from_pydict(
            {"entity": entities, "profile": part.column("profile"), "records": part.column("records")}
        )


def by_columns(settings: Settings, generation: int, writer: int) -> None:
    """One writer's share of a generation, as the night's executors write it."""
    [done] = written_to(settings, generation, False)(batches(writer, USERS // WRITERS))
    if fault := done.column("fault")[0].as_py():
        raise StoreError(fault)


def one_set_per_row(url: str, writer: int) -> None:
    """One writer's share of the sample: a key per profile and prediction, each written and awaited."""
    with closing(Store(url, 1).redis) as client:
        for row in _rows(writer):
            client.set(f"naive:{row['entity']}:profile", row["profile"], ex=86_400)
            for said in row["records"]:
                client.set(f"naive:{row['entity']}:{said['use_case']}", said["record"], ex=86_400)


def _by_all(pool: ProcessPoolExecutor, write: Callable[[int], None]) -> None:
    list(pool.map(write, range(WRITERS)))


def _rows(writer: int) -> Iterator[dict[str, Any]]:
    for batch in batches(writer, SAMPLE // WRITERS):
        yield from batch.to_pylist()


@contextmanager
def store_below(folder: Path) -> Iterator[str]:
    """The address of a store server of its own."""
    [port] = free_ports(1)
    command = [store_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _until_it_answers(url)
            yield url
        finally:
            server.kill()


@contextmanager
def writers() -> Iterator[ProcessPoolExecutor]:
    """As many processes as there are writers, with their rows made."""
    with ProcessPoolExecutor(WRITERS, get_context("spawn"), initializer=said) as pool:
        list(pool.map(time.sleep, [1] * WRITERS))
        yield pool


def _until_it_answers(url: str) -> None:
    for _ in range(200):
        try:
            Store(url, 1).ping()
            return
        except StoreError:
            time.sleep(0.05)
    raise StoreError(f"the store at {url} did not start")
