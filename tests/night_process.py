"""Nights as processes of their own, for tests: started, followed stage by stage, and killed with all their children."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from audience import OPEN_GATE, Audience, archive, settle_reference
from conftest import QUICK, VAR
from pyspark.sql import SparkSession

from lambda_arch.clock import rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.lake import Lake
from lambda_arch.store import Store
from lambda_arch.tables import TABLES

NIGHT_SECONDS = 600.0
# One candidate each, one partition: what these nights are about is not what they choose.
SMALLEST = {
    **OPEN_GATE,
    "CLOCK": "event",
    "BATCH__RECOMMEND__GRID": "{rank: [8], fold_in: [{reg: 640, alpha: 10, floor: 0.1, gain: 3, memory: 5, few: 50, "
    "prior: 2, fading: 5}]}",
    "BATCH__RECOMMEND__ITERATIONS": "3",
    "BATCH__SEGMENT__GRID": "{k: [3]}",
    "BATCH__SEGMENT__STARTS": "1",
    "BATCH__CHURN__GRID": "{reg: [0.05], balanced: [false]}",
    "BATCH__CHURN__FOLDS": "2",
    "BATCH__CHURN__FEATURES": "['number:tenure', 'number:monthly_charges', 'is:contract=*']",
    "BATCH__SENTIMENT__GRID": "{algorithm: [naive_bayes]}",
    "BATCH__BACKTEST__LATER_SHARES": "[]",
    "MLFLOW__TRACKING_URI": "''",
    "SPARK__DRIVER_MEMORY": "1g",
    "SPARK__SHUFFLE_PARTITIONS": "1",
}


@dataclass(frozen=True)
class Place:
    """Where nights run: a lake, a database of the store, and settings beside the smallest."""

    folder: Path
    url: str
    own: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the place's processes."""
        paths = {"VAR": VAR, **{name: self.folder / name.lower() for name in ("LAKE", "CHECKPOINTS", "REPORTS")}}
        settings = {
            **SMALLEST, **{f"PATHS__{name}": str(path) for name, path in paths.items()},
            "STORE__URL": self.url, "SPARK__CONF": json.dumps(QUICK), **self.own,
        }  # fmt: skip
        return {f"LAMBDA_ARCH__{name}": value for name, value in settings.items()}

    @property
    def config(self) -> Config:
        """The place's settings."""
        return load_config(self.environment)

    def store(self) -> Store:
        """A connection of its own."""
        return Store(self.url, self.config.store.ttl_days)

    def lake(self, spark: SparkSession) -> Lake:
        """The lake, by the tests' session."""
        return Lake(spark, self.config.paths.lake, "test")

    def plant(self, spark: SparkSession, planted: Audience) -> None:
        """The audience into bronze, the catalogue and the labels into silver."""
        lake, topics = self.lake(spark), self.config.kafka.topics
        lake.create(*TABLES)
        archive(lake, topics.events, planted.events)
        archive(lake, topics.posts, planted.posts)
        settle_reference(lake, planted.labels)

    def night(self, horizon: int, *options: str, **own: str) -> NightProcess:
        """A night that has begun; `own` are settings of it alone."""
        place = Place(self.folder, self.url, {**self.own, **own})
        return NightProcess(["-m", "jobs.run_batch", "--horizon", rfc3339(horizon), *options], place)


@dataclass(frozen=True)
class Told:
    """How a process ended, and what it said."""

    code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """The last line of stderr."""
        return self.errors.strip().splitlines()[-1]

    @property
    def report(self) -> dict[str, Any]:
        """The night's report, its last line."""
        report: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return report


class NightProcess:
    """A process of the project's Python in a group of its own, whose stages can be followed."""

    def __init__(self, arguments: list[str], place: Place) -> None:
        folder = Path(tempfile.mkdtemp(dir=place.folder))
        self._output, self._errors = folder / "output", folder / "errors"
        with self._output.open("w") as output, self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], env={**os.environ, **place.environment}, stdout=output, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    def reached(self, stage: str) -> None:
        """Wait until a stage is announced; fails with what was said where the process ends before."""
        announced = re.compile(rf"\bstage\s+name={stage}\b")
        while not announced.search(self._output.read_text()):
            assert self.running(), f"{stage} not begun: {self._errors.read_text()}"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9 of the process' group, of Spark's Java in it, and of Spark's Python workers, which have their own."""
        members = psutil.Process(self.pid).children(recursive=True)
        os.killpg(self.pid, signal.SIGKILL)
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        assert self._process.wait(NIGHT_SECONDS) == -signal.SIGKILL
        psutil.wait_procs(members, NIGHT_SECONDS)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def ended(self) -> Told:
        """Wait for its end."""
        code = self._process.wait(NIGHT_SECONDS)
        return Told(code, self._output.read_text(), self._errors.read_text())
