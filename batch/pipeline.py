"""The night: lake -> models -> generation, at a horizon. The same night again gives the same generation."""

from __future__ import annotations

from typing import Any

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.audience import publish_lists
from batch.conform import conform_bronze
from batch.customers.usefulness import FeatureRow, feature_rows
from batch.erasing import erase
from batch.feelings.sentiment import POST_TILES, post_tiles, title_tiles
from batch.intake import Source, sources
from batch.judgement.agreement import agreement
from batch.judgement.evidence import Evidence
from batch.judgement.gate import Counts, RefusedError, Verdict, refusal
from batch.judgement.incumbent import Candidate, Incumbent, before, in_service
from batch.judgement.rows import backtest_rows
from batch.known import Known, known_before
from batch.learning import Learnt, learnt
from batch.publish import (
    SCORED,
    forget_erased,
    prediction_rows,
    scored_titles,
    scored_users,
    trending_titles,
    verify,
    write_store,
)
from batch.selection import Trial
from batch.stages import Progress, Stages
from lambda_arch.clock import parse_rfc3339, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.fidelity import FidelityTable
from lambda_arch.forgetting import noted
from lambda_arch.generations import forget_silent, generation_number, retire
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.lease import Lease, night_lease
from lambda_arch.model_bytes import encode_models
from lambda_arch.models import Models
from lambda_arch.new_titles import forget_stateless
from lambda_arch.predictions import Scoring
from lambda_arch.recipes import Gate
from lambda_arch.records import UseCase
from lambda_arch.store import Store
from lambda_arch.tables import BACKTESTS, GENERATIONS, PREDICTIONS, TABLES
from lambda_arch.talked_about import note_trending


class NightReport(msgspec.Struct, frozen=True):
    """What a night did; `published` is false where it did not change what readers see.

    `models` are those in service, `trained_in` the generations in which they were trained; `reasons` says why a use
    case can have no model, `features` what each is good for in its model, and its drift; `warnings` what the night did
    without; `pieces` of how many keys its lists of users are.
    """

    generation: int
    horizon: str
    published: bool
    users: int
    titles: int
    models: dict[str, str]
    trials: dict[UseCase, tuple[Trial, ...]]
    reasons: dict[UseCase, str]
    features: dict[UseCase, list[FeatureRow]]
    fidelity: FidelityTable
    seconds: dict[str, float]
    trained_in: dict[UseCase, int] = {}
    verdicts: dict[UseCase, Verdict] = {}
    evidence: dict[UseCase, Evidence] = {}
    data: dict[str, Source] = {}
    settings: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    pieces: int = 0


def run_night(
    lake: Lake, store: Store, config: Config, horizon: int, say: Progress, lake_only: bool = False
) -> NightReport:
    """Ingested and archived records -> a published generation; with `lake_only` one that is in the lake alone.

    Raises RefusedError where there may not be a generation at this horizon, PublishError where the store lost some
    of it, NightRunsError where another night runs; readers see the generation before until the last step.
    """
    with night_lease(store, horizon, wall_now()) as lease:
        try:
            return _night(lake, store, config, horizon, Stages(say), lake_only, lease)
        finally:
            # What one night keeps in memory is of no use to the next, and fills the driver of a backfill.
            lake.spark.catalog.clearCache()


def _night(
    lake: Lake, store: Store, config: Config, horizon: int, stages: Stages, lake_only: bool, lease: Lease
) -> NightReport:
    pointer = store.generations()
    if not lake_only:
        _refuse_earlier(pointer, horizon)
    with stages("conform"):
        _conform(lake, store, config)
    number = generation_number(store, published(lake), horizon)
    incumbent = before(lake, horizon) if lake_only else in_service(lake, pointer, number)
    with stages("features"):
        known = known_before(lake, horizon, config.features.history_limit)
        users, data = admitted_users(known, incumbent, config.batch.gate), sources(known)
    found = learnt(known, number, incumbent, config, stages)
    with stages("score"):
        scored = score(known, found.tonight.models, config).persist()
        titles = scored.where(F.col("entity").startswith("t:")).count()
    with stages("publish"):
        _keep(lake, found, scored)
        pieces = 0 if lake_only else _publish(store, config, found.tonight, scored)
    report = _report(
        found, stages.seconds,
        published=not lake_only and pointer.current != number, users=users, titles=titles, data=data, pieces=pieces,
        warnings=(incumbent.fault,) if incumbent and incumbent.fault else (),
    )  # fmt: skip
    with stages("flip"):
        lease.check()
        _record(lake, store, found.tonight, report)
        if not lake_only:
            store.advance_clock(horizon)
            store.flip(number, horizon)
    with stages("retire"):
        _retire(store)
    return report


def published(lake: Lake) -> dict[int, int]:
    """The horizon of every generation in the lake, by number."""
    rows = lake.read(GENERATIONS).select("generation", "horizon").collect()
    return {row.generation: parse_rfc3339(row.horizon) for row in rows}


def admitted_users(known: Known, incumbent: Incumbent | None, gate: Gate) -> int:
    """How many users are known; raises RefusedError where there must not be a generation of what is known."""
    [row] = known.profiles.agg(F.count("*").alias("users"), F.max("lifetime.last").alias("newest")).collect()
    reason = refusal(Counts(row.users, row.newest), incumbent.users if incumbent else None, known.horizon, gate)
    if reason:
        raise RefusedError(f"no generation at {rfc3339(known.horizon)}: {reason}")
    users: int = row.users
    return users


def score(known: Known, models: Models, config: Config) -> DataFrame:
    """What the models say of every user and title, of schema SCORED."""
    scoring = Scoring(models, "batch", known.horizon, wall_now(), config.batch.top_n)
    users = known.profiles.mapInArrow(scored_users(scoring), SCORED)
    posts = known.posts.select("title_id", "event_time", "text")
    tiles = title_tiles(posts.mapInArrow(post_tiles(models.sentiment), POST_TILES))
    return users.unionByName(tiles.mapInArrow(scored_titles(scoring), SCORED))


def _refuse_earlier(pointer: Generations, horizon: int) -> None:
    if horizon < pointer.current_horizon:
        raise RefusedError(
            f"generation {pointer.current} at {rfc3339(pointer.current_horizon)} is in service, and an earlier night "
            "would take readers back: write it to the lake alone with --lake-only"
        )


def _conform(lake: Lake, store: Store, config: Config) -> None:
    """All that was received is in silver, and nobody who was erased."""
    lake.create(*TABLES)
    conform_bronze(lake, config)
    erase(lake, noted(store).values(), config)


def _keep(lake: Lake, found: Learnt, scored: DataFrame) -> None:
    """Write to the lake what the generation says and how it was measured."""
    number = found.tonight.models.generation
    lake.replace_where(prediction_rows(number, scored), PREDICTIONS, f"generation = {number}")
    lake.replace_where(backtest_rows(lake.spark, found.judged), BACKTESTS, f"generation = {number}")


def _publish(store: Store, config: Config, tonight: Candidate, scored: DataFrame) -> int:
    """Write and check all of a generation that readers ask for; answers in how many pieces its lists are."""
    number, former = tonight.models.generation, store.generations().current
    written = write_store(scored, config.store, number, in_service=store.generations().horizon(number) is not None)
    verify(scored, store, number, scored.count(), written)
    lists = publish_lists(scored, store, config.store, number)
    forget_erased(store, scored, number, tonight.models.horizon)
    store.put_models(tonight.models, tonight.fidelity)
    note_trending(store, trending_titles(scored))
    if former not in (0, number):  # after the flip the speed layer speaks with the new models
        store.put_agreement(agreement(store, number, tonight.models.horizon, former))
    return len(lists.piece_keys())


def _retire(store: Store) -> None:
    """What no reader asks for any more goes from the store."""
    kept = store.generations()
    retire(store, (kept.current, kept.previous))
    forget_silent(store)
    forget_stateless(store)


def _record(lake: Lake, store: Store, tonight: Candidate, report: NightReport) -> None:
    told = msgspec.json.encode(report)
    row: dict[str, Any] = {
        "generation": report.generation,
        "horizon": report.horizon,
        "run_id": lake.run_id,
        "report": told.decode(),
        "models": bytearray(encode_models(tonight.models)),
        "twins": bytearray(encode_models(tonight.twins)),
        "fidelity": msgspec.json.encode(tonight.fidelity).decode(),
    }
    frame = lake.spark.createDataFrame([row], GENERATIONS.schema)
    lake.replace_where(frame, GENERATIONS, f"generation = {report.generation}")
    store.put_report(report.generation, told)


def _report(found: Learnt, seconds: dict[str, float], **told: Any) -> NightReport:
    models, selected = found.tonight.models, found.selected
    in_service = models.in_service()
    return NightReport(
        generation=models.generation, horizon=rfc3339(models.horizon),
        models={use_case: model.name for use_case, model in in_service.items()},
        trained_in={use_case: model.version for use_case, model in in_service.items()},
        trials=selected.trials, reasons=selected.reasons, settings=selected.settings.model_dump(mode="json"),
        features=feature_rows(models), fidelity=found.tonight.fidelity, verdicts=found.verdicts,
        evidence=found.judged.evidence, seconds=seconds, **told,
    )  # fmt: skip
