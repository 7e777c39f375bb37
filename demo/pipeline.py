"""The demo, top to bottom: files into the lake, a night, the stream in two halves, answers judged, a report."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from pyspark.sql import functions as F

from batch.conform import conform_bronze
from batch.ingestion.ingest import ingest
from batch.ingestion.mapping import load_mapping
from batch.pipeline import NightReport, run_night
from batch.reporting.aftermath import tell
from batch.stages import Stages
from demo.datasets import Datasets, prepare
from demo.evaluate import Truth, ask_all, judged, samples
from demo.last_fifth import last_fifth
from demo.latency import measure
from demo.memory import PeakMemory
from demo.traffic import PATIENCE_SECONDS, Traffic, UnaccountedError
from deploy import servers
from lambda_arch.clock import parse_rfc3339, wall_now
from lambda_arch.config import Config, ConfigError
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.recipes import Bar
from lambda_arch.records import USE_CASES
from lambda_arch.session import spark_session
from lambda_arch.states import Counts
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE, QUARANTINE
from serving.replies import EntityReply

JOBS = ("archive", "gate", "scorer", "api")
STATE = ("lake", "checkpoints", "mlflow", "reports", "kafka", "store", "log", "run")
PROBES = 200
LAST_PROBE = "2016-11-01T00:00:00Z"

Report = dict[str, Any]


def run_demo(config: Config, small: bool, say: Callable[[str], None]) -> Report:
    """Run everything and answer the report; the servers are left running."""
    stages, config = Stages(say), without_certainty(config) if small else config
    with stages("data"):
        data = prepare(config.paths.var, config.events.max_bytes, small)
    with PeakMemory(lambda: [state.pid for state in servers.status(config) if state.pid]) as memory:
        with stages("servers"):
            start_afresh(config)
            servers.up(config, ["kafka", "store"])
        with stages("spark"):
            spark = spark_session(config, "demo", config.spark.master, config.spark.driver_memory)
        lake, store = Lake(spark, config.paths.lake, f"demo-{uuid.uuid4()}"), _store(config)
        with stages("ingest"):
            for mapping, path in data.ingests():
                ingest(lake, [str(path)], load_mapping(mapping), wall_now(), config.events)
        night = run_night(lake, store, config, data.horizon, say)
        with stages("report"):
            page = tell(lake, store.generations(), config, night.generation)
        with stages("speed layer up"):
            servers.start(config, JOBS)
        report = stream(config, data, lake, store, stages)
        spark.stop()
    return report | {
        "generation": {"number": night.generation, "horizon": night.horizon},
        "night": {
            "report": str(page),
            "seconds": night.seconds,
            "users": night.users,
            "titles": night.titles,
            "verdicts": {name: msgspec.to_builtins(verdict) for name, verdict in night.verdicts.items()},
        },
        "seconds": _seconds(stages, night),
        "peak_memory_gib": memory.gib(),
    }


def without_certainty(config: Config) -> Config:
    """The settings with a gate that is passed by what is not worse: a slice of the data has few cases."""
    gate = config.batch.gate
    bars: dict[str, Bar] = {name: getattr(gate, name) for name in USE_CASES}
    low = {
        name: bar.model_copy(update={"min_cases": 1, "baselines": dict.fromkeys(bar.baselines, "level")})
        for name, bar in bars.items()
    }
    batch = config.batch.model_copy(update={"gate": gate.model_copy(update=low)})
    return config.model_copy(update={"batch": batch})


def stream(config: Config, data: Datasets, lake: Lake, store: Store, stages: Stages) -> Report:
    """Everything held back goes through Kafka; what is answered at the half is judged by the rest."""
    traffic, truth = Traffic(config), Truth(data)
    with stages("first half streamed"):
        traffic.send([data.wave1, data.poison])
        traffic.settle()
    half = asyncio.run(ask_all(config, truth))
    with stages("second half streamed"):
        traffic.send([data.wave2])
        traffic.settle()
    end = asyncio.run(ask_all(config, truth))
    models = _models(store)
    with stages("latency"):
        latency, probes = measure(config, known_titles(models), parse_rfc3339(LAST_PROBE), PROBES)
        traffic.sent += probes
        counts = traffic.settle()
    with stages("archive"):
        archived, quarantined = settled_lake(lake, config, traffic.sent)
    with stages("quality"):
        use_cases = judged(half, end, truth, models, store)
        use_cases["recommend"]["last_fifth"] = last_fifth(lake, config)
    return {
        "counts": _counts(traffic.sent, archived, quarantined, counts),
        "latency_ms": latency,
        "use_cases": use_cases,
        "samples": [_sample(reply) for reply in asyncio.run(samples(config, half))],
    }


def known_titles(models: Models) -> list[str]:
    """Titles that the recommender knows: a view of another changes no recommendation."""
    return models.recommend.titles if models.recommend else []


def start_afresh(config: Config) -> None:
    """Delete the state of an earlier demo; raises ConfigError where the state is not the demo's."""
    servers.down(config)
    mark = config.paths.var / "demo" / "state-is-the-demos"
    found = [config.paths.var / name for name in STATE if (config.paths.var / name).exists()]
    if (config.paths.var / "lake").exists() and not mark.exists():
        raise ConfigError(
            f"{config.paths.var / 'lake'} was not written by the demo, which starts from nothing: keep it by setting "
            "LAMBDA_ARCH__PATHS__VAR (and __LAKE, __CHECKPOINTS) to other folders, or delete it with `make clean`"
        )
    for path in found:
        shutil.rmtree(path)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def settled_lake(lake: Lake, config: Config, sent: int) -> tuple[int, int]:
    """Wait until bronze has all that was sent, settle it into silver and quarantine; (valid, quarantined)."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (stored := lake.read(BRONZE).count()) != sent:
        if time.monotonic() > until:
            raise UnaccountedError(f"{sent} records sent, {stored} in bronze: see var/log/archive.log")
        time.sleep(1)
    conform_bronze(lake, config)
    topics = (config.kafka.topics.events, config.kafka.topics.posts)
    rejected = lake.read(QUARANTINE).where(F.col("topic").isin(*topics)).count()
    return stored - rejected, rejected


def _counts(sent: int, archived: int, quarantined: int, counts: Counts) -> dict[str, int]:
    return {
        "produced": sent, "archived": archived, "quarantined": quarantined, "applied": counts.applied,
        "duplicates": counts.duplicates, "late": counts.late,
    }  # fmt: skip


def _models(store: Store) -> Models:
    models = store.models(store.generations().current)
    if models is None:
        raise UnaccountedError("the current generation's models are not in the store")
    return models


def _sample(reply: EntityReply) -> dict[str, Any]:
    found = reply.use_cases["recommend"]
    told = {"entity": reply.entity, "use_case": "recommend", "batch": found.batch, "speed": found.speed}
    return told | {"decision": found.answer.decision.model_dump(), "answer": found.answer.model_dump()}


def _seconds(stages: Stages, night: NightReport) -> dict[str, float]:
    return stages.seconds | {"night": round(sum(night.seconds.values()), 2)}


def _store(config: Config) -> Store:
    return Store(config.store.url, config.store.ttl_days)
