"""The backtest by Spark, on viewers, customers and titles whose right answers are known by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.judgement.backtest import Judged, backtest
from batch.judgement.cases import INCUMBENT
from batch.judgement.replay import Replay
from batch.judgement.rows import backtest_rows
from batch.known import Known
from batch.training import early
from lambda_arch.clock import DAY, micros
from lambda_arch.config import Config, load_config
from lambda_arch.features import profiles
from lambda_arch.fidelity import BUCKETS, FidelityTable, Measure
from lambda_arch.lake import Lake
from lambda_arch.models import Models, SegmentModel
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.schemas import EVENT, LABEL, POST, TITLE
from lambda_arch.tables import BACKTESTS

pytestmark = pytest.mark.spark
TITLES = [f"t{number:03}" for number in range(200)]
START = datetime(2016, 1, 1, tzinfo=UTC)
VIEWERS, CUSTOMERS = 12, 60
LISTS = ["popular", "recently_popular", "item_item"]  # empty: everybody has seen all that is known of
Row = dict[str, Any]


def event(user: str, place: int, kind: str, **more: Any) -> Row:
    """An event, the place's hour after the start."""
    time = START + timedelta(hours=place)
    return {
        "event_id": f"{user}-{kind}-{place}", "event_type": kind, "user_id": user, "title_id": None,
        "event_time": time,
        "value": None, "properties": None, "topic": "events", "partition": 0, "offset": place,
        "event_date": time.date(),
        **more,
    }  # fmt: skip


def events() -> list[Row]:
    """Viewers see eighty titles in one order and search in between; customers open accounts, and some cancel."""
    seen = [event(f"u{n}", at, "view", title_id=TITLES[at], value=1.0) for n in range(VIEWERS) for at in range(80)]
    searched = [event(f"u{n}", at, "search") for n in range(VIEWERS) for at in range(70, 80)]
    accounts = [event(f"c{n}", 0, "account", properties={"tenure": str(n)}) for n in range(CUSTOMERS)]
    return [*seen, *searched, *accounts, *(event(f"c{n}", 24, "cancel") for n in range(0, CUSTOMERS, 3))]


@pytest.fixture(scope="module")
def known(spark: SparkSession) -> Known:
    """What is known a hundred days after the start."""
    frame = spark.createDataFrame([[row[name] for name in EVENT.names] for row in events()], EVENT).persist()
    titles = spark.createDataFrame([(title, title, 2000, ["drama"], [], None, None) for title in TITLES], TITLE)
    posts = [
        {**dict.fromkeys(POST.names), "post_id": f"p{n}", "text": "good" if n % 3 else "bad", "title_id": f"t{n % 20}",
         "event_time": START + timedelta(hours=n), "event_date": START.date()}
        for n in range(200)
    ]  # fmt: skip
    return Known(
        horizon=micros(START) + 100 * DAY,
        events=frame,
        posts=spark.createDataFrame([[post[name] for name in POST.names] for post in posts], POST),
        labels=spark.createDataFrame([(f"p{n}", "positive" if n % 3 else "negative") for n in range(200)], LABEL),
        titles=titles,
        profiles=frame.transform(profiles(titles, 2000)).persist(),
    )


@pytest.fixture(scope="module")
def twins(small_models: Models) -> Models:
    """Everybody is recommended the first titles not seen; up to 47 titles make `few`; popular are the last."""
    return msgspec.structs.replace(
        small_models,
        recommend=RecommendModel(
            name="als", version=2, titles=TITLES, factors=np.linspace(2, 1, len(TITLES), dtype=np.float32)[:, None],
            fold_in=FoldIn(0.1, 2.0), popular=list(reversed(range(len(TITLES)))),
        ),
        segment=SegmentModel(
            name="kmeans", version=2, features=["titles"], mean=np.zeros(1), scale=np.ones(1),
            centres=np.array([[math.log(33)], [math.log(71)]]), numbers=[0, 1], names=["few", "many"],
            sizes=[9, 3], popular=[[], []],
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def incumbent(twins: Models) -> Models:
    """Recommends the last titles first."""
    assert twins.recommend is not None
    backwards = msgspec.structs.replace(twins.recommend, factors=twins.recommend.factors[::-1].copy())
    return msgspec.structs.replace(twins, recommend=backwards)


def settings(**changes: Any) -> Config:
    config = load_config({})
    measured = config.batch.backtest.model_copy(update=changes)
    return config.model_copy(update={"batch": config.batch.model_copy(update={"backtest": measured})})


@pytest.fixture(scope="module")
def judged(known: Known, twins: Models, incumbent: Models) -> Judged:
    """Both judged, with enough cases by the first cut but of customers."""
    return backtest(known, twins, incumbent, settings(least_cases=10))


def cases(table: FidelityTable, use_case: str, layer: str) -> dict[str, int]:
    return {at: measure.cases for at, measure in table.measures[use_case][layer].items()}


def test_speed_wins_where_batch_has_missed_much_and_equals_it_where_nothing_is_unseen(judged: Judged) -> None:
    layers, gains = judged.fidelity.measures["recommend"], judged.fidelity.gains["recommend"]
    assert layers["batch"]["0"] == layers["speed"]["0"]
    assert (gains["0"].value, gains["0"].standard_error) == (0, 0)
    assert (layers["speed"]["20+"].value, layers["batch"]["20+"].value) == (1.0, 0.0)
    assert gains["20+"].value == 1.0
    assert judged.fidelity.gains["churn"]["1"].standard_error > 0


def test_challenger_incumbent_and_baselines_answer_the_same_cases(judged: Judged) -> None:
    theirs = judged.of_incumbent
    assert theirs is not None
    assert set(judged.evidence) == set(judged.fidelity.measures) == set(theirs.measures)
    for use_case, layers in judged.fidelity.measures.items():
        for layer in layers:
            assert cases(judged.fidelity, use_case, layer) == cases(theirs, use_case, layer)
    shown = judged.evidence["recommend"]
    assert shown.incumbent is not None
    assert (shown.value, shown.incumbent.value, shown.incumbent.gain) == (1.0, 0.0, 1.0)
    assert [(rival.name, rival.gain) for rival in shown.baselines] == [(name, 1.0) for name in LISTS]
    assert shown.measures == {"recall@10": 1.0, "coverage@10": 10 / 200}
    for use_case in ("recommend", "churn", "segment"):
        against = judged.evidence[use_case].incumbent
        assert against is not None
        assert theirs.measures[use_case]["batch"]["0"].value == pytest.approx(against.value, abs=2e-6)
    same = judged.evidence["churn"].incumbent
    assert same is not None
    assert (same.gain, same.low, same.high) == (0, 0, 0)


def test_each_use_case_has_its_evidence(judged: Judged) -> None:
    names = {name: ([rival.name for rival in shown.baselines], set(shown.measures))
             for name, shown in judged.evidence.items()}  # fmt: skip
    assert names == {
        "recommend": (LISTS, {"recall@10", "coverage@10"}),
        "segment": (["largest"], {"silhouette"}),
        "churn": (["base_rate"], {"auc", "pr_auc", "calibration_error", "precision", "recall"}),
        "sentiment": (["majority", "vader"], {"macro_f1"}),
    }
    assert judged.evidence["sentiment"].value == 1.0
    assert judged.evidence["sentiment"].baselines[0].gain == pytest.approx(1 / 3, abs=0.15)


def test_the_same_again_gives_the_same_figures(known: Known, twins: Models, incumbent: Models, judged: Judged) -> None:
    assert backtest(known, twins, incumbent, settings(least_cases=10)) == judged


def test_further_cuts_are_made_where_one_gives_too_few_cases(known: Known, twins: Models) -> None:
    """Of eighty titles the cuts at 0.6 and 0.7 leave lags up to 20, of which 30 is the one that is asked, not later."""
    found = backtest(known, twins, None, settings(least_cases=20))
    assert found.of_incumbent is None
    assert cases(found.fidelity, "recommend", "batch") == {"0": 24, "1": 24, "2-4": 24, "5-19": 24, "20+": 12}
    assert found.fidelity.measures["recommend"]["speed"]["20+"].borrowed == ("5-19",)
    assert found.evidence["recommend"].cases == 24


def test_users_beyond_the_most_are_left_out(known: Known, twins: Models) -> None:
    found = backtest(known, twins, None, settings(least_cases=1, most_users=30))
    judged = cases(found.fidelity, "recommend", "batch")["0"]
    assert 0 < judged < VIEWERS


def test_the_models_that_are_judged_know_exactly_what_comes_before_the_first_cut(known: Known) -> None:
    """Whatever comes after a cut, the first or a later one, is unseen by them."""
    measured = settings().batch.backtest
    trained_on = _last(known.events.transform(early(measured.known_share)))
    for share in (measured.known_share, *measured.later_shares):
        judged_from = Replay(share, 10, 2000).first(80)
        assert trained_on == {f"u{n}": Replay(measured.known_share, 10, 2000).first(80) - 1 for n in range(VIEWERS)}
        assert all(last < judged_from for last in trained_on.values())


def _last(frame: DataFrame) -> dict[str, int]:
    newest = frame.where("event_type = 'view'").groupBy("user_id").agg(F.max("offset").alias("last"))
    return {row.user_id: row.last for row in newest.collect()}


def test_every_lag_is_measured_or_borrowed(judged: Judged) -> None:
    for layers in judged.fidelity.measures.values():
        assert list(layers["batch"]) == list(BUCKETS)


def test_the_lake_has_every_measure_of_everybody_once_however_often_it_is_written(lake: Lake, judged: Judged) -> None:
    lake.create(BACKTESTS)
    other = replace(judged, fidelity=msgspec.structs.replace(judged.fidelity, generation=9), of_incumbent=None)
    for written, number in ((other, 9), (judged, 2), (judged, 2)):
        lake.replace_where(backtest_rows(lake.spark, written), BACKTESTS, f"generation = {number}")
    rows = lake.read(BACKTESTS).where("generation = 2").collect()
    in_lake = {
        (row.use_case, row.answered, row.lag): Measure(row.value, row.standard_error, row.cases, tuple(row.borrowed))
        for row in rows
    }
    assert len(rows) == len(in_lake)
    assert judged.of_incumbent is not None
    theirs = {
        (use_case, f"{INCUMBENT}{layer}", lag): judged.of_incumbent.measures[use_case][layer][lag]
        for use_case in judged.fidelity.measures for layer in ("batch", "speed") for lag in BUCKETS
    }  # fmt: skip
    own = {
        (use_case, name, lag): found
        for use_case, answers in judged.fidelity.measures.items()
        for name, lags in answers.items()
        for lag, found in lags.items()
    }
    assert in_lake == own | theirs
    assert {row.answered for row in lake.read(BACKTESTS).where("generation = 9").collect()} == {key[1] for key in own}
