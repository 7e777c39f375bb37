"""kill -9 while records flow: nothing is lost, nothing counts twice, and the store is as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from speed_stack import (
    accounted,
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
from lambda_arch.config import Config
from lambda_arch.models import Models
from lambda_arch.store import Store
from streaming.produce import ProduceReport, Record, produce

pytestmark = [pytest.mark.servers, pytest.mark.spark, pytest.mark.e2e]
SEED, RATE, MOST_SECONDS = 20160102, 200, 80
# Program and process; each flows again before the next is hit.
VICTIMS = (("scorer", "python"), ("gate", "python"), ("scorer", "python"), ("gate", "java"), ("scorer", "python"))


class Traffic(threading.Thread):
    """Events, posts and rejects at a steady rate until it is ended."""

    def __init__(self, config: Config, horizon: int) -> None:
        super().__init__(daemon=True)
        self.report = ProduceReport(0, 0, 0.0)
        self._config, self._ended = config, threading.Event()
        self._records = [*events(SEED, RATE * MOST_SECONDS, horizon), *posts(SEED, 800, horizon)]
        self._records += [Record(reject.topic, b"poison", reject.value) for reject in 5 * rejects(config)]
        random.Random(SEED).shuffle(self._records)

    def run(self) -> None:
        kafka = self._config.kafka
        self.report = produce(kafka.bootstrap, self._until_ended(), RATE, kafka.topics)

    def end(self) -> int:
        """Stop; answers how many were sent, every one acknowledged."""
        self._ended.set()
        self.join(MOST_SECONDS)
        assert self.report.sent == self.report.acked > 0
        return self.report.sent

    def _until_ended(self) -> Iterator[Record]:
        for record in self._records:
            if self._ended.is_set():
                return
            yield record


def test_killed_gates_and_scorers_leave_the_store_of_an_undisturbed_run(
    tmp_path_factory: pytest.TempPathFactory, small_models: Models
) -> None:
    config = speed_config(tmp_path_factory.mktemp("kill") / "var", scorer_batch=20, batch_seconds=20)
    with speed_stack(config, ["kafka", "store", "gate", "scorer"], small_models) as store:
        traffic = Traffic(config, small_models.horizon)
        traffic.start()
        killed = kill_all(config, store)
        sent = traffic.end()
        until(
            lambda: accounted(config, store) >= sent and lag(config) == 0,
            told=lambda: f"{sent} sent, {accounted(config, store)} accounted for, lag {lag(config)}",
        )
        assert accounted(config, store) == sent
        gated = messages(config, config.kafka.topics.gated)
        distinct = {source(message): message.value() or b"" for message in gated}
        assert len(gated) > len(distinct)  # the gates were hit within their batches, which were gated again
        assert content(store) == undisturbed(config, small_models, [distinct[at] for at in sorted(distinct)])
        assert [pid for pid in killed if psutil.pid_exists(pid)] == []


def kill_all(config: Config, store: Store) -> list[int]:
    """Kill every victim at some moment of its flow; answers all processes that are to be gone."""
    rng, gone = random.Random(SEED), []
    for program, kind in VICTIMS:
        until(lambda program=program: state_of(config, program) == "RUNNING")
        before = flow(config, store, program)
        until(lambda program=program, before=before: flow(config, store, program) > before)
        time.sleep(rng.uniform(0, 2))
        python = psutil.Process(pid_of(config, program))
        members = {"python": python, **{child.name(): child for child in python.children(recursive=True)}}
        os.kill(members[kind].pid, signal.SIGKILL)
        gone += [member.pid for member in members.values()]
    return gone


def flow(config: Config, store: Store, program: str) -> int:
    """How much a program has brought forth."""
    if program == "gate":
        return size(config, config.kafka.topics.gated)
    total = counts(store)
    return total.applied + total.duplicates + total.late


def state_of(config: Config, program: str) -> str:
    return next(found.state for found in servers.status(config) if found.name == program)


def pid_of(config: Config, program: str) -> int:
    return next(found.pid for found in servers.status(config) if found.name == program)
