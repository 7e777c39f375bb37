"""kill -9 at twenty moments while records flow, in both modes: nothing is lost, nothing counts twice, and the store is
as if nothing had happened."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count

import psutil
import pytest
from archived import gated
from pyspark.sql import SparkSession
from speed_stack import (
    accounted,
    archived,
    bronze,
    events,
    lag,
    messages,
    posts,
    rejects,
    size,
    source,
    speed_config,
    speed_stack,
    undisturbed,
    until,
)
from store_content import content, counts

from deploy import servers
from deploy.states import Status
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.schemas import COORDINATES
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE
from streaming.produce import ProduceError, ProduceReport, Record, produce

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
SEED, RATE, PIECE_SECONDS, PATIENCE = 20160102, 500, 10, 420.0
Victim = tuple[str, str]
# Program and process, in an order of chance; each flows again before it is hit. `driver` is the job's own Python,
# `java` its JVM, `worker` the Python that an executor applies records with.
SCORERS: list[Victim] = 12 * [("scorer", "driver")]
GATES: list[Victim] = [("gate", "driver"), ("gate", "java"), ("gate", "driver")]
WORKERS: list[Victim] = [("gate", "worker"), ("gate", "driver"), ("gate", "worker"), ("gate", "java")]
ARCHIVE: list[Victim] = [("archive", "java")]


class Traffic(threading.Thread):
    """Events, posts and rejects at a steady rate until it is ended."""

    def __init__(self, config: Config, horizon: int) -> None:
        super().__init__(daemon=True)
        self.report = ProduceReport(0, 0, 0.0)
        self._config, self._horizon, self._ended = config, horizon, threading.Event()

    def run(self) -> None:
        kafka = self._config.kafka
        with suppress(ProduceError):  # `end` finds nothing reported
            self.report = produce(kafka.bootstrap, self._until_ended(), RATE, kafka.topics)

    def end(self) -> int:
        """Stop; answers how many were sent, every one acknowledged."""
        self.stop()
        assert self.report.sent == self.report.acked > 0
        return self.report.sent

    def stop(self) -> None:
        """Stop, whatever was sent."""
        self._ended.set()
        self.join(PATIENCE)

    def _until_ended(self) -> Iterator[Record]:
        for seed in count(SEED):
            for record in self._piece(seed):
                if self._ended.is_set():
                    return
                yield record

    def _piece(self, seed: int) -> list[Record]:
        piece = [*events(seed, RATE * PIECE_SECONDS, self._horizon), *posts(seed, 100, self._horizon)]
        piece += [Record(reject.topic, b"poison", reject.value) for reject in rejects(self._config)]
        random.Random(seed).shuffle(piece)
        return piece


@pytest.mark.parametrize(
    ("mode", "programs", "victims"),
    [
        pytest.param("realtime", ["gate", "scorer"], [*SCORERS, *GATES], id="gates and scorers"),
        pytest.param("microbatch", ["gate", "archive"], [*WORKERS, *ARCHIVE], id="drivers, workers and the archive"),
    ],
)
def test_killed(
    mode: str, programs: list[str], victims: list[Victim], spark: SparkSession, small_models: Models,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    """All that was sent is archived, and applied, a duplicate, late or quarantined: as in an undisturbed run."""
    var = tmp_path_factory.mktemp("kill") / "var"
    config = speed_config(var, mode=mode, scorers=2, scorer_batch=20, backlog_batch=20, batch_seconds=10)
    with speed_stack(config, ["kafka", "store", *programs], small_models) as store:
        traffic = Traffic(config, small_models.horizon)
        traffic.start()
        try:
            killed = kill_all(config, store, random.Random(SEED).sample(victims, len(victims)))
        finally:
            traffic.stop()  # before its broker goes, whatever happened
        sent = traffic.end()
        servers.start(config, ["archive"])
        until(
            lambda: archived(config) >= sent and accounted(config, store) >= sent,
            PATIENCE,
            told=lambda: f"{sent} sent, {accounted(config, store)} accounted for, {archived(config)} archived",
        )
        until(lambda: mode == "microbatch" or lag(config) == 0)
        servers.stop(config, [*programs, "archive"])
        assert accounted(config, store) == sent
        check_archive(config, sent)
        assert mode == "microbatch" or was_gated_again(config)
        raw = Lake(spark, config.paths.lake, "test").read(BRONZE).orderBy(*COORDINATES)
        assert content(store) == undisturbed(config, small_models, gated(raw, config))
        assert [process for process in killed if process.is_running()] == []


def check_archive(config: Config, sent: int) -> None:
    """Every record once."""
    rows = bronze(config)
    assert len(rows) == len({tuple(row[name] for name in COORDINATES) for row in rows}) == sent


def was_gated_again(config: Config) -> bool:
    """Whether gates were hit within their batches."""
    found = messages(config, config.kafka.topics.gated)
    return len(found) > len({source(message) for message in found})


def kill_all(config: Config, store: Store, victims: Sequence[Victim]) -> list[psutil.Process]:
    """Kill every victim at some moment of its flow; answers all processes that are to be gone."""
    chance = random.Random(SEED)
    gone: list[psutil.Process] = []
    for program, kind in victims:
        until(lambda program=program: running(config, program) != [], PATIENCE)
        before = flow(config, store, program)
        until(lambda program=program, before=before: flow(config, store, program) > before, PATIENCE)
        time.sleep(chance.uniform(0, 2))
        hit: list[psutil.Process] = []
        # What was hit last may have to come up again.
        until(lambda program=program, kind=kind, hit=hit: strike(config, program, kind, chance, hit), PATIENCE)
        gone += hit
    return gone


def flow(config: Config, store: Store, program: str) -> int:
    """How much a program has brought forth."""
    if program == "archive":
        return archived(config)
    if program == "gate" and config.speed.mode == "realtime":
        return size(config, config.kafka.topics.gated)
    total = counts(store)
    return total.applied + total.duplicates + total.late


def strike(config: Config, program: str, kind: str, chance: random.Random, hit: list[psutil.Process]) -> bool:
    """Kill a process of that kind, if there is one, and note which are to be gone."""
    found = running(config, program)
    with suppress(psutil.NoSuchProcess):
        members = members_of(chance.choice(found).pid) if found else {}
        if kind in members:
            members[kind].kill()
            # A worker's driver need not end with it.
            hit += [members[kind]] if kind == "worker" else members.values()
    return hit != []


def running(config: Config, program: str) -> list[Status]:
    return [found for found in servers.status(config) if found.name.startswith(program) and found.state == "RUNNING"]


def members_of(pid: int) -> dict[str, psutil.Process]:
    """A job's processes by kind; of several workers the last."""
    driver = psutil.Process(pid)
    return {"driver": driver, **{kind_of(child): child for child in driver.children(recursive=True)}}


def kind_of(child: psutil.Process) -> str:
    """Workers are forked off the daemon that the JVM starts."""
    if child.name() == "java":
        return "java"
    return "daemon" if psutil.Process(child.ppid()).name() == "java" else "worker"
