"""The night: lake -> models -> generation, at a horizon. The same night again gives the same generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.backtest import backtest
from batch.conform import conform_bronze
from batch.gate import RefusedError, Size, refusal
from batch.intake import Source, sources
from batch.known import Known, known_before
from batch.publish import SCORED, prediction_rows, scored_titles, scored_users, verify, write_store
from batch.selection import Trial
from batch.sentiment import POST_TILES, post_tiles, title_days
from batch.training import everything, select, trained, unjudged
from lambda_arch.clock import rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.lake import GENERATIONS, PREDICTIONS, TABLES, Lake
from lambda_arch.models import Models, encode_models
from lambda_arch.predictions import Scoring
from lambda_arch.records import USE_CASES, UseCase
from lambda_arch.store import Store

Progress = Callable[[str], None]


class NightReport(msgspec.Struct, frozen=True):
    """What a night did; `published` is false where this generation was current already."""

    generation: int
    horizon: str
    published: bool
    users: int
    titles: int
    models: dict[str, str]
    trials: dict[UseCase, tuple[Trial, ...]]
    fidelity: FidelityTable
    seconds: dict[str, float]
    data: dict[str, Source] = {}
    settings: dict[str, Any] = {}


def run_night(lake: Lake, store: Store, config: Config, horizon: int, say: Progress) -> NightReport:
    """Ingested and archived records -> a published generation.

    Raises RefusedError where the generation may not become current, PublishError where the store lost some of it;
    readers see the generation before until the last step.
    """
    stages = Stages(say)
    with stages("conform"):
        lake.create(*TABLES)
        conform_bronze(lake, config)
    number = generation_number(lake, horizon)
    with stages("features"):
        known = known_before(lake, horizon, config.features.history_limit)
        users, data = known.profiles.count(), sources(lake, known)
        earlier = unjudged(known, config)
    with stages("select"):
        chosen, trials = select(earlier, config.batch)
    with stages("train"):
        models = trained(everything(known, config), chosen, number)
    with stages("backtest"):
        twins = trained(earlier, chosen, number)
        fidelity = backtest(known, twins, None, config).fidelity
    with stages("score"):
        scored = score(known, models, config).persist()
        size = Size(users, scored.where(F.col("entity").startswith("t:")).count())
    if reason := refusal(size, models, config.batch):
        raise RefusedError(f"generation {number} refused: {reason}")
    with stages("publish"):
        _publish(lake, store, config, models, fidelity, scored)
    published = store.generations().current != number
    report = msgspec.structs.replace(
        _report(models, fidelity, size, trials, stages.seconds, published),
        data=data, settings=chosen.model_dump(mode="json"),
    )  # fmt: skip
    with stages("flip"):
        _record(lake, models, twins, fidelity, report)
        store.advance_clock(horizon)
        store.flip(number, horizon)
    return report


def generation_number(lake: Lake, horizon: int) -> int:
    """The number of the generation at this horizon; the next free one where there is none yet."""
    known = lake.read(GENERATIONS).select("generation", "horizon").collect()
    same = [row.generation for row in known if row.horizon == rfc3339(horizon)]
    return same[0] if same else max((row.generation for row in known), default=0) + 1


def score(known: Known, models: Models, config: Config) -> DataFrame:
    """What the models say of every user and title, of schema SCORED."""
    scoring = Scoring(models, "batch", known.horizon, wall_now(), config.batch.top_n)
    users = known.profiles.mapInArrow(scored_users(scoring), SCORED)
    posts = known.posts.select("title_id", "event_time", "text")
    days = title_days(posts.mapInArrow(post_tiles(models.sentiment), POST_TILES))
    return users.unionByName(days.mapInArrow(scored_titles(scoring), SCORED))


class Stages:
    """Seconds per stage, each announced as it begins."""

    def __init__(self, say: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._say = say

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """A stage of the run."""
        self._say(name)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)


def _publish(
    lake: Lake, store: Store, config: Config, models: Models, fidelity: FidelityTable, scored: DataFrame
) -> None:
    number = models.generation
    lake.replace_where(prediction_rows(number, scored), PREDICTIONS, f"generation = {number}")
    written = write_store(scored, config.store, number)
    verify(scored, store, number, scored.count(), written)
    store.put_models(models, fidelity)


def _record(lake: Lake, models: Models, twins: Models, fidelity: FidelityTable, report: NightReport) -> None:
    row: dict[str, Any] = {
        "generation": models.generation,
        "horizon": rfc3339(models.horizon),
        "run_id": lake.run_id,
        "report": msgspec.json.encode(report).decode(),
        "models": bytearray(encode_models(models)),
        "twins": bytearray(encode_models(twins)),
        "fidelity": msgspec.json.encode(fidelity).decode(),
    }
    frame = lake.spark.createDataFrame([row], GENERATIONS.schema)
    lake.replace_where(frame, GENERATIONS, f"generation = {models.generation}")


def _report(
    models: Models,
    fidelity: FidelityTable,
    size: Size,
    trials: dict[UseCase, tuple[Trial, ...]],
    seconds: dict[str, float],
    published: bool,
) -> NightReport:
    in_service: dict[str, str] = {
        use_case: model.name for use_case in USE_CASES if (model := getattr(models, use_case)) is not None
    }
    return NightReport(
        generation=models.generation, horizon=rfc3339(models.horizon), published=published, users=size.users,
        titles=size.titles, models=in_service, trials=trials, fidelity=fidelity, seconds=seconds,
    )  # fmt: skip
