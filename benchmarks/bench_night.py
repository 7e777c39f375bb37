"""The whole night on a made-up service of 200,000 users and 20,000 titles, with one and with ten million events.

Every step is a process of its own, as an operator runs it: generate, ingest each target, the night. Memory is the peak
of all of them together, the store included, in proportional set sizes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_most, reported
from demo.memory import PeakMemory
from deploy import servers
from lambda_arch.config import Config, load_config

SIZES = (1_000_000, 10_000_000)
USERS, TITLES, SEED = 200_000, 20_000, 1
HORIZON = "2026-04-01T00:00:00Z"  # the end of the 90 days that `generate` makes by itself
TARGETS = ("events", "posts", "titles", "labels")
SETTINGS = {"SPARK__DRIVER_MEMORY": "6g", "SPARK__SHUFFLE_PARTITIONS": "8"}
STORE_PORT = 26379


class Measured(NamedTuple):
    """Seconds by stage, `ingest` and the start of the night's process among them, and peak memory in GiB."""

    seconds: dict[str, float]
    gib: float

    def total(self) -> float:
        """Seconds of everything."""
        return sum(self.seconds.values())


def rows(ground: Ground) -> list[Row]:
    """Minutes and memory of the larger night, what the tenfold costs, and the stages of both."""
    var = ground.config.paths.var
    nights = {
        size: night(Path(ground.config.paths.lake).parent / f"night-{size}", var / "jars", size) for size in SIZES
    }
    small, large = (nights[size] for size in SIZES)
    what = f"{SIZES[1]:,} events, {USERS:,} users, {TITLES:,} titles"
    return [
        at_most(30, "whole night with ingestion", [large.total() / 60], "minutes", what),
        at_most(12, "whole night, peak memory of all processes", [large.gib], "GiB", what),
        at_most(
            SIZES[1] / SIZES[0], "ten times the events", [large.total() / small.total()], "times the seconds", what
        ),
        *(
            reported(f"night, {stage}", [seconds], "s", f"{size:,} events")
            for size, measured in nights.items()
            for stage, seconds in measured.seconds.items()
        ),
    ]


def night(folder: Path, jars: Path, events: int) -> Measured:
    """Generate, ingest and run the night below the folder."""
    (folder / "var").mkdir(parents=True)
    (folder / "var" / "jars").symlink_to(jars.resolve())
    environment = _environment(folder)
    made = folder / "made"
    _run(
        environment,
        "jobs.cli",
        "generate",
        str(made),
        "--events",
        events,
        "--users",
        USERS,
        "--titles",
        TITLES,
        "--seed",
        SEED,
    )
    config = load_config(environment)
    servers.up(config, ["store"])
    try:
        with PeakMemory(lambda: _served(config)) as memory:
            begun = time.monotonic()
            for target in TARGETS:
                _run(environment, "jobs.cli", "ingest", str(made / target), "--mapping", str(made / f"{target}.yaml"))
            ingested = time.monotonic()
            said = _run(environment, "jobs.run_batch", "--horizon", HORIZON)
            ended = time.monotonic()
    finally:
        servers.down(config)
    stages: dict[str, float] = json.loads(said.splitlines()[-1])["seconds"]
    start = ended - ingested - sum(stages.values())
    return Measured({"ingest": ingested - begun, "start": start, **stages}, memory.gib())


def _environment(folder: Path) -> dict[str, str]:
    own = {
        "PATHS__VAR": str(folder / "var"), "PATHS__LAKE": str(folder / "var" / "lake"),
        "PATHS__CHECKPOINTS": str(folder / "var" / "checkpoints"),
        "EMBEDDED__STORE_PORT": str(STORE_PORT), "STORE__URL": f"redis://127.0.0.1:{STORE_PORT}/0",
    }  # fmt: skip
    return {**os.environ, **{f"LAMBDA_ARCH__{name}": value for name, value in {**SETTINGS, **own}.items()}}


def _run(environment: dict[str, str], module: str, *arguments: object) -> str:
    """What the process printed; raises where it failed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _served(config: Config) -> list[int]:
    return [state.pid for state in servers.status(config) if state.pid]
