"""A generation of the lake -> an empty store, as it was published: nothing is trained anew."""

from __future__ import annotations

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.audience import publish_lists
from batch.erasing import erase, registered
from batch.known import known_before
from batch.pipeline import score
from batch.publish import forget_erased, trending_titles, verify, write_store
from batch.stored import NoGenerationError, Stored, newest, stored
from lambda_arch.clock import wall_now
from lambda_arch.config import Config
from lambda_arch.forgetting import note, noted
from lambda_arch.lake import Lake
from lambda_arch.lease import night_lease
from lambda_arch.schemas import Transform
from lambda_arch.store import Store
from lambda_arch.tables import PREDICTIONS, TABLES
from lambda_arch.talked_about import note_trending


class NotEmptyError(RuntimeError):
    """A rehydration would be mixed with what the store has, or gets meanwhile; the message says what and the remedy."""


def republish(lake: Lake, store: Store, config: Config, number: int | None = None) -> Stored:
    """Write a generation (None: the one of the newest horizon) and make it current.

    Its models, fidelity, report and predictions are the lake's; profiles are made of silver as it stands, so that they
    also know what came late. Raises NotEmptyError, NoGenerationError, PublishError where the store lost some of it.
    """
    _refuse_mixture(store)
    lake.create(*TABLES)
    note(store, registered(lake).values())
    erase(lake, noted(store).values(), config)
    found = newest(lake, F.lit(True)) if number is None else stored(lake, number)
    if found is None:
        raise NoGenerationError(f"the lake at {config.paths.lake} has no generation: run `lambda-arch night`")
    with night_lease(store, found.horizon, wall_now()) as lease:
        models = found.models()
        known = known_before(lake, found.horizon, config.features.history_limit)
        scored = score(known, models, config).transform(with_records(lake, found.number)).persist()
        written = write_store(scored, config.store, found.number, in_service=False)
        verify(scored, store, found.number, scored.count(), written)
        publish_lists(scored, store, config.store, found.number)
        forget_erased(store, scored, found.number, found.horizon)
        store.put_models(models, found.fidelity())
        note_trending(store, trending_titles(scored))
        store.put_report(found.number, msgspec.json.encode(found.report))
        store.reserve(found.number, found.horizon)
        lease.check()
        store.advance_clock(found.horizon)
        store.flip(found.number, found.horizon)
    return found


def with_records(lake: Lake, number: int) -> Transform:
    """Scored entities -> the same with the records that the generation published of them."""
    published = lake.read(PREDICTIONS).where(F.col("generation") == number)
    said = published.groupBy("entity").agg(F.collect_list(F.struct("use_case", "record")).alias("records"))

    def replaced(scored: DataFrame) -> DataFrame:
        found = scored.drop("records").join(said, on="entity", how="left")
        return found.select("entity", "profile", F.coalesce("records", F.array()).alias("records"))

    return replaced


def _refuse_mixture(store: Store) -> None:
    current = store.generations().current
    if current:
        raise NotEmptyError(
            f"the store has generation {current} in service: `lambda-arch replay` brings what came since"
        )
    if next(iter(store.speed_states()), None):
        raise NotEmptyError(
            "the stream has written to this store since it was lost, and would hide what came before: stop gate and "
            "scorers, empty the store, and rehydrate again"
        )
