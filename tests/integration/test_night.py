"""The night on a planted audience: whole generations, again, later, refused and killed; against a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from audience import (
    EARLY,
    HORIZON,
    LATER,
    NEWCOMER,
    OPEN_GATE,
    PREMIERE,
    VIEWERS,
    archive,
    audience,
    genre,
    latecomers,
    settle_reference,
    talk,
    taste,
)  # fmt: skip
from conftest import VAR
from generation_content import Content, content, entities
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from batch.judgement.gate import RefusedError
from batch.pipeline import NightReport, run_night
from batch.training import early
from lambda_arch.audience import decode_piece
from lambda_arch.clock import DAY, rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.fidelity import FidelityTable, Measure, decode_fidelity
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import decode_models, encode_models
from lambda_arch.models import ChurnModel, Models
from lambda_arch.posts import PostProfile
from lambda_arch.recipes import Bar
from lambda_arch.records import USE_CASES
from lambda_arch.schemas import Transform
from lambda_arch.scoring import feeling
from lambda_arch.store import Store
from lambda_arch.tables import BACKTESTS, EVENTS, GENERATIONS, POSTS, PREDICTIONS, TABLES, Table
from lambda_arch.talked_about import trending
from lambda_arch.tiles import Profile

pytestmark = [pytest.mark.servers, pytest.mark.spark]
DATABASE = 8
SETTINGS = {
    **OPEN_GATE,
    "BATCH__RECOMMEND__GRID__RANK": "[8]",
    "BATCH__RECOMMEND__ITERATIONS": "3",
    "BATCH__SEGMENT__GRID": "{k: [2, 3]}",
    "BATCH__SEGMENT__STARTS": "1",
    "BATCH__CHURN__GRID": "{reg: [0.05, 0.1], balanced: [false]}",
    "BATCH__CHURN__FEATURES": "['number:tenure', 'number:monthly_charges', 'is:contract=*']",
    "BATCH__SENTIMENT__GRID": "{algorithm: [naive_bayes]}",
    "BATCH__BACKTEST__LATER_SHARES": "[]",
}
STAGES = ["conform", "features", "select", "train", "backtest", "score", "publish", "flip", "retire"]


class Killed(Exception):  # noqa: N818
    """Stands for the end of the process."""


class DyingStore(Store):
    """Ends the night as it comes to a step."""

    def __init__(self, store: Store, step: str) -> None:
        self.__dict__.update(store.__dict__)
        setattr(self, step, self._die)

    def _die(self, *_: object) -> None:
        raise Killed


@dataclass(frozen=True)
class Place:
    """Where the module's nights run: one lake, one database of the store."""

    lake: Lake
    store: Store
    config: Config

    def night(self, horizon: int, lake_only: bool = False, **gate: Any) -> NightReport:
        changed = self.config.batch.gate.model_copy(update=gate)
        config = self.config.model_copy(update={"batch": self.config.batch.model_copy(update={"gate": changed})})
        return run_night(self.lake, self.store, config, horizon, lambda stage: None, lake_only)

    def killed_at(self, step: str, horizon: int, **gate: Any) -> None:
        with pytest.raises(Killed):
            replace(self, store=DyingStore(self.store, step)).night(horizon, **gate)

    def distinct(self, table: Table, column: str, horizon: int) -> set[str]:
        known = self.lake.read(table).where(F.unix_micros("event_time") < horizon)
        return {row[0] for row in known.select(column).distinct().collect()}

    def generations(self) -> list[int]:
        return sorted(row.generation for row in self.lake.read(GENERATIONS).collect())

    def models(self, generation: int) -> Models:
        models = self.store.models(generation)
        assert models is not None
        return models

    def profile(self, user: str, generation: int) -> Profile:
        stored = self.store.entity(f"u:{user}", generation)["profile"]
        return msgspec.msgpack.decode(stored, type=Profile)


class Night(NamedTuple):
    """A night that has ended, and what the store had just after it."""

    report: NightReport
    pointer: Generations
    content: Content


def ended(place: Place, horizon: int) -> Night:
    report = place.night(horizon)
    return Night(report, place.store.generations(), content(place.store, report.generation))


@pytest.fixture(scope="module")
def place(spark: SparkSession, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A lake with the planted audience in bronze, and an empty store."""
    folder = tmp_path_factory.mktemp("night")
    own = {
        "PATHS__VAR": str(VAR),
        "PATHS__LAKE": str(folder / "lake"),
        "PATHS__CHECKPOINTS": str(folder / "checkpoints"),
        "STORE__URL": f"{store_url.removesuffix('/0')}/{DATABASE}",
    }
    config = load_config({f"LAMBDA_ARCH__{name}": value for name, value in {**SETTINGS, **own}.items()})
    store = Store(config.store.url, config.store.ttl_days)
    store.redis.flushdb()
    lake, planted = Lake(spark, config.paths.lake, "nights"), audience()
    lake.create(*TABLES)
    archive(lake, config.kafka.topics.events, planted.events)
    archive(lake, config.kafka.topics.posts, planted.posts)
    settle_reference(lake, planted.labels)
    yield Place(lake, store, config)
    store.redis.flushdb()
    store.redis.close()


@pytest.fixture(scope="module")
def first(place: Place) -> Night:
    """The night at HORIZON."""
    return ended(place, HORIZON)


@pytest.fixture(scope="module")
def killed(place: Place, first: Night) -> Night:
    """The night at LATER, more events having come, killed when all its entities were in lake and store."""
    archive(place.lake, place.config.kafka.topics.events, latecomers(), first_offset=10_000)
    archive(place.lake, place.config.kafka.topics.posts, talk(), first_offset=10_000)
    place.killed_at("put_models", LATER)
    return Night(first.report, place.store.generations(), content(place.store, 2))


@pytest.fixture(scope="module")
def second(place: Place, killed: Night) -> Night:
    """The night at LATER, started again."""
    return ended(place, LATER)


@pytest.fixture(scope="module")
def again(place: Place, second: Night) -> Night:
    """The night at LATER once more."""
    return ended(place, LATER)


def test_the_pointer_shows_the_first_generation(first: Night) -> None:
    assert first.pointer == Generations(current=1, current_horizon=HORIZON, epoch=1)


def test_every_user_with_an_event_has_a_profile_and_every_title_with_a_post(place: Place, first: Night) -> None:
    users, titles = place.distinct(EVENTS, "user_id", HORIZON), place.distinct(POSTS, "title_id", HORIZON)
    assert set(first.content.profiles) == {*(f"u:{user}" for user in users), *(f"t:{title}" for title in titles)}
    assert (len(users), len(titles)) == (141, 12)
    for entity, profile in first.content.profiles.items():
        if entity.startswith("u:"):
            assert msgspec.msgpack.decode(profile, type=Profile).lifetime.events() > 0
        else:
            assert msgspec.msgpack.decode(profile, type=PostProfile).lifetime.posts > 0


def test_every_use_case_that_an_entity_s_events_allow_has_a_record(first: Night) -> None:
    for entity, said in first.content.records.items():
        expected = {"u:u": ["recommend", "segment"], "u:p": ["recommend", "segment"], "u:c": ["churn"]}
        assert [record.use_case for record in said] == expected.get(entity[:3], ["sentiment"]), entity


def test_a_record_says_where_it_came_from_and_how_much_it_has_seen(place: Place, first: Night) -> None:
    for entity, said in first.content.records.items():
        for record in said:
            assert (record.entity, record.layer) == (entity, "batch")
            assert (record.generation, record.model_version) == (1, 1)
            assert record.as_of < rfc3339(HORIZON)
            if entity.startswith("u:"):
                assert record.evidence == place.profile(entity[2:], 1).lifetime.events()
            else:
                assert record.evidence == 5


def test_everybody_with_a_segment_is_on_its_list_and_everybody_with_a_risk_on_that_of_churn(
    place: Place, first: Night
) -> None:
    lists, expected = place.store.lists(1), dict[str, set[str]]()
    assert lists is not None
    for entity, said in first.content.records.items():
        for record in said:
            if record.use_case in ("segment", "churn"):
                name = f"segment:{record.value['segment']}" if record.use_case == "segment" else "churn"
                expected.setdefault(name, set()).add(entity[2:])
    pieces = {name: decode_piece(place.store.redis.get(f"la:audience:1:{name}:0")) for name in expected}
    assert {name: set(piece.users) for name, piece in pieces.items()} == expected
    assert {name: listed.members for name, listed in lists.lists.items()} == {
        name: len(users) for name, users in expected.items()
    }
    assert first.report.pieces == len(expected) > 2


def test_the_report_agrees_with_the_data(place: Place, first: Night) -> None:
    report = first.report
    assert (report.generation, report.horizon, report.published) == (1, rfc3339(HORIZON), True)
    assert report.users == len(place.distinct(EVENTS, "user_id", HORIZON))
    assert report.titles == len(place.distinct(POSTS, "title_id", HORIZON))
    assert report.models == {
        "recommend": "als", "segment": "kmeans", "churn": "logistic_regression", "sentiment": "naive_bayes"
    }  # fmt: skip
    assert list(report.seconds) == STAGES
    assert report.fidelity == decode_fidelity(first.content.fidelity)


def test_the_lake_holds_exactly_the_records_that_the_store_has(place: Place, second: Night) -> None:
    for generation in (1, 2):
        rows = place.lake.read(PREDICTIONS).where(F.col("generation") == generation).collect()
        lake = sorted((row.entity, row.use_case, row.record.encode()) for row in rows)
        stored = {entity: place.store.entity(entity, generation) for entity in entities(place.store, generation)}
        fields = sorted((entity, *field) for entity, said in stored.items() for field in said.items())
        assert lake == [field for field in fields if field[1] != "profile"]


def test_the_lake_holds_the_generation_s_models_and_report(place: Place, first: Night) -> None:
    [row] = place.lake.read(GENERATIONS).where("generation = 1").collect()
    in_lake, in_store = decode_models(bytes(row.models)), place.models(1)
    assert encode_models(in_lake) == encode_models(in_store) == first.content.models
    assert in_store.recommend is not None
    assert in_store.recommend.factors.shape == (40, 8)
    assert np.isfinite(in_store.recommend.factors).all()
    assert (row.horizon, row.run_id) == (rfc3339(HORIZON), "nights")
    report = msgspec.json.decode(row.report, type=NightReport)
    assert msgspec.structs.replace(report, seconds={}) == msgspec.structs.replace(first.report, seconds={})
    assert decode_fidelity(row.fidelity.encode()) == place.store.fidelity(1)


def test_the_lake_holds_the_backtest_that_the_reports_tell(place: Place, first: Night, second: Night) -> None:
    for report in (first.report, second.report):
        rows = place.lake.read(BACKTESTS).where(F.col("generation") == report.generation).collect()
        told = {
            (use_case, answered, lag): measure
            for use_case, answers in report.fidelity.measures.items()
            for answered, lags in answers.items()
            for lag, measure in lags.items()
        }
        incumbent = {(row.use_case, row.answered, row.lag) for row in rows if row.answered.startswith("incumbent:")}
        assert bool(incumbent) == (report.generation == 2)
        assert told == {
            key: Measure(row.value, row.standard_error, row.cases, tuple(row.borrowed))
            for row in rows if (key := (row.use_case, row.answered, row.lag)) not in incumbent
        }  # fmt: skip


def test_every_key_expires_but_the_pointer_and_the_clock(place: Place, second: Night) -> None:
    keys = list(place.store.redis.scan_iter(count=1000))
    lasting = {key for key in keys if place.store.redis.ttl(key) == -1}
    assert lasting == {b"la:gen", b"la:numbers", b"la:clock"}
    days = place.config.store.ttl_days
    assert all((days - 1) * 86400 < place.store.redis.ttl(key) <= days * 86400 for key in set(keys) - lasting)


def test_planted_tastes_contracts_and_feelings_are_found(place: Place, first: Night) -> None:
    said = {
        (entity, record.use_case): record.value for entity, all_ in first.content.records.items() for record in all_
    }
    heavy = [viewer for number, viewer in enumerate(VIEWERS) if number % 5 < 2]
    hits = [genre(title) == taste(user) for user in heavy for title in said[f"u:{user}", "recommend"]["titles"][:3]]
    assert np.mean(hits) > 2 / 3  # chance: ten of the 28 titles not seen are to their taste
    risk = {n: said[f"u:c{n:02}", "churn"]["probability"] for n in range(80)}
    assert min(risk[n] for n in risk if n % 3 == 0) > max(risk[n] for n in risk if n % 3)
    model = place.models(1).sentiment
    assert model is not None
    assert (feeling(model, "wonderful"), feeling(model, "boring")) == ("positive", "negative")


def test_what_happened_at_the_horizon_or_after_it_is_in_no_part_of_the_generation(place: Place, first: Night) -> None:
    models = place.models(1)
    assert models.recommend is not None
    assert models.segment is not None
    assert PREMIERE not in models.recommend.titles
    assert len(models.recommend.popular) == len(models.recommend.titles) == len(models.recommend.factors)
    assert all(PREMIERE not in popular for popular in models.segment.popular)
    assert not {f"u:{NEWCOMER}", f"t:{PREMIERE}"} & set(first.content.profiles)
    assert not [entity for entity, said in first.content.records.items() if PREMIERE in str(said)]
    for viewer in VIEWERS:
        lifetime = place.profile(viewer, 1).lifetime
        assert PREMIERE not in {seen.title for seen in lifetime.history}
        assert lifetime.last is not None
        assert lifetime.last < HORIZON


def test_the_last_moment_before_the_horizon_is_known(place: Place, first: Night) -> None:
    assert place.profile("u00", 1).lifetime.last == HORIZON - 1


def test_a_later_night_is_the_next_generation_and_keeps_the_one_before(place: Place, second: Night) -> None:
    assert (second.report.generation, second.report.published) == (2, True)
    assert second.pointer == Generations(2, LATER, 1, HORIZON, epoch=2)
    assert place.store.event_now() == LATER


def test_a_later_night_knows_what_came_since_and_late_and_nothing_at_its_own_horizon(
    place: Place, second: Night
) -> None:
    models = place.models(2)
    assert models.recommend is not None
    assert PREMIERE in models.recommend.titles
    assert "sequel" not in models.recommend.titles
    assert {f"u:{NEWCOMER}", "u:u99", f"t:{PREMIERE}"} <= set(second.content.profiles)
    assert place.profile("u01", 2).lifetime.events() == place.profile("u01", 1).lifetime.events() + 1
    assert place.profile("u99", 2).lifetime.counts == {"view": 5}
    assert "sequel" not in {seen.title for seen in place.profile("u02", 2).lifetime.history}


def test_the_generation_before_stays_as_it_was(place: Place, first: Night, second: Night) -> None:
    assert content(place.store, 1) == first.content


def test_a_night_killed_before_the_flip_leaves_the_pointer_and_the_generation_in_service(
    place: Place, first: Night, killed: Night
) -> None:
    assert killed.pointer == first.pointer
    assert content(place.store, 1) == first.content
    assert killed.content.records
    assert killed.content.models is None


def test_a_killed_night_started_again_finishes_with_what_it_had_begun(killed: Night, second: Night) -> None:
    assert second.content.records == killed.content.records
    assert second.content.profiles == killed.content.profiles


def test_the_same_night_again_gives_the_same_generation_bit_for_bit(second: Night, again: Night) -> None:
    assert (again.report.generation, again.report.published) == (2, False)
    assert again.pointer == second.pointer
    assert again.content == second.content


@pytest.mark.parametrize("use_case", USE_CASES)
def test_fidelity_has_both_layers_and_they_are_equal_where_nothing_is_unseen(first: Night, use_case: Any) -> None:
    table = first.report.fidelity
    batch, speed = measure(table, use_case, "batch", 0), measure(table, use_case, "speed", 0)
    assert batch == speed
    assert batch.cases > 0


def test_fidelity_has_the_speed_layer_ahead_for_customers_that_the_night_has_not_seen(first: Night) -> None:
    batch, speed = (measure(first.report.fidelity, "churn", layer, 1) for layer in ("batch", "speed"))
    assert speed.value > batch.value + speed.standard_error
    assert speed.cases == batch.cases > 0


def measure(table: FidelityTable, use_case: Any, layer: Any, lag: int) -> Measure:
    found = table.of(use_case, layer, lag)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("horizon", "reason"),
    [
        (EARLY - DAY, "no user has an event before the horizon"),
        (EARLY, "1 users, fewer than batch.gate.min_users = 20"),
        (LATER + 5 * DAY, "120 hours earlier, more than batch.gate.max_silence_hours = 96: ingest what is missing"),
    ],
    ids=["nobody before the horizon", "fewer users than the floor", "days without an event"],
)
def test_a_refused_night_says_why_and_changes_nothing(place: Place, again: Night, horizon: int, reason: str) -> None:
    pointer, generations, keys = place.store.generations(), place.generations(), place.store.redis.dbsize()
    with pytest.raises(RefusedError, match=reason):
        place.night(horizon, lake_only=horizon < LATER)
    assert (place.store.generations(), place.generations(), place.store.redis.dbsize()) == (pointer, generations, keys)


def test_a_night_that_would_take_readers_back_is_refused(place: Place, again: Night) -> None:
    with pytest.raises(RefusedError, match=r"generation 2 at 2016-03-04T.* is in service.*--lake-only"):
        place.night(HORIZON)
    assert place.store.generations() == again.pointer


def test_a_night_that_is_caught_up_is_in_the_lake_alone(place: Place, again: Night) -> None:
    report = place.night(EARLY, lake_only=True, min_users=1)
    assert (report.published, report.users) == (False, 1)
    assert place.store.generations() == again.pointer
    assert entities(place.store, report.generation) == []
    assert place.generations() == [1, 2, report.generation]


def test_half_the_users_missing_is_refused(place: Place, again: Night) -> None:
    with changed_events(place, lambda events: events.where(F.xxhash64("user_id") % 2 == 0)):
        with pytest.raises(RefusedError, match=r"users, less than batch.gate.min_share = 0.7 of the 143 in service"):
            place.night(LATER + DAY)
        assert place.store.generations() == again.pointer


def test_shuffled_labels_are_refused_and_the_model_in_service_stays(place: Place, again: Night) -> None:
    """What the accounts say of who cancels is lost: the night goes on with the churn model that is in service."""
    churn = Bar(baselines={"base_rate": "above"}, min_cases=10, criteria={})
    assert place.night(LATER, churn=churn).verdicts["churn"].accepted
    with changed_events(place, lambda events: events.withColumn("user_id", shuffled_where_cancelled())):
        report = place.night(LATER + DAY, churn=churn)
    assert "baseline base_rate: gain" in report.verdicts["churn"].reasons()
    number = report.generation
    assert place.store.generations() == Generations(number, LATER + DAY, 2, LATER, epoch=3)
    assert report.trained_in["churn"] == 2
    assert encoded(place.models(number).churn) == encoded(place.models(2).churn)
    versions = {record.use_case: record.model_version for said in content(place.store, number).records.values()
                for record in said}  # fmt: skip
    assert versions == report.trained_in
    shown = report.evidence["churn"].incumbent
    assert shown is not None
    assert report.fidelity.measures["churn"]["batch"]["0"].value == pytest.approx(shown.value, abs=2e-6)


def encoded(model: ChurnModel | None) -> bytes:
    """Models hold arrays, which do not compare."""
    return encode_models(Models(generation=0, horizon=0, churn=model))


@contextmanager
def changed_events(place: Place, change: Transform) -> Iterator[None]:
    """Other events in silver, for a while."""
    before = place.lake.read(EVENTS).collect()
    place.lake.replace_where(place.lake.read(EVENTS).transform(change), EVENTS, "true")
    yield
    place.lake.replace_where(place.lake.spark.createDataFrame(before, EVENTS.schema), EVENTS, "true")


def shuffled_where_cancelled() -> Column:
    """As many customers cancel, but others, whatever their contract."""
    number = F.substring("user_id", 2, 2).cast("int")
    other = F.format_string("c%02d", F.pmod(number * 7 + 11, F.lit(80)))
    return F.when(F.col("event_type") == "cancel", other).otherwise(F.col("user_id"))


def test_models_of_the_backtest_know_a_user_s_share_of_what_was_seen_however_much_was_searched(
    spark: SparkSession,
) -> None:
    kinds = ["view", "search"] * 3 + ["view"] * 2 + ["search"] * 20
    rows = [("u", f"e{n:02}", kind, 1.0 if kind == "view" else None, n) for n, kind in enumerate(kinds)]
    events = spark.createDataFrame(rows, "user_id string, event_id string, event_type string, value double, n int")
    timed = events.withColumns({"event_time": F.timestamp_seconds("n"), "properties": F.lit(None)})
    known = [row.n for row in timed.transform(early(0.6)).orderBy("n").collect()]
    assert known == [0, 1, 2, 3, 4, 5]


def test_a_title_of_which_more_is_said_than_usual_is_found_without_the_stream(place: Place, again: Night) -> None:
    [title] = trending(place.store, 0, 5).rising
    assert (title.title_id, title.posts, title.layer) == ("t00", 12, "batch")
