"""Churn and segments on planted customers and viewers: what is learnt, what cannot leak, what lasts."""

from __future__ import annotations

import random
import re
from typing import Any

import msgspec
import numpy as np
import pytest
from audience import event
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.customers.calibration import cheapest
from batch.customers.churn import labelled_accounts, select_churn, train_churn
from batch.customers.segment import select_segment, train_segment
from batch.known import Known, before
from lambda_arch.clock import DAY, parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.features import profiles
from lambda_arch.models import ChurnModel
from lambda_arch.recipes import Churn
from lambda_arch.schemas import EVENT, LABEL, POST, TITLE

pytestmark = pytest.mark.spark
HORIZON = parse_rfc3339("2016-03-01T00:00:00Z")
STATE = HORIZON - 60 * DAY
Records = list[dict[str, Any]]


def churn_config(config: Config, **changes: Any) -> Config:
    settings = {**config.batch.churn.model_dump(), "horizon_days": 45, "grid": {}, **changes}
    churn = Churn.model_validate(settings)
    return config.model_copy(update={"batch": config.batch.model_copy(update={"churn": churn})})


def known(spark: SparkSession, records: Records) -> Known:
    columns = "event_id string, event_type string, user_id string, title_id string, event_time string, value double"
    rows = [{"title_id": None, "value": None, "properties": None, **record} for record in records]
    raw = spark.createDataFrame(rows, f"{columns}, properties map<string,string>")
    timed = raw.withColumn("event_time", F.col("event_time").cast("timestamp"))
    source = {"topic": F.lit("t"), "partition": F.lit(0), "offset": F.lit(0).cast("long")}
    events = timed.withColumns({**source, "event_date": F.to_date("event_time")}).select(*EVENT.names)
    titles = spark.createDataFrame([("d", "D", 2000, ["Drama"], [], None, None)], TITLE)
    seen = events.transform(before(HORIZON))
    none = [spark.createDataFrame([], schema) for schema in (POST, LABEL)]
    return Known(HORIZON, seen, *none, titles, seen.transform(profiles(titles, 100)))


def customers(count: int, chance: float = 0.5) -> tuple[Records, list[bool]]:
    """Accounts of one state; who leaves does so in the window, and calls support only in the days before that."""
    rng, found, left = random.Random(7), [], []
    for number in range(count):
        user, leaves = f"c{number:03}", rng.random() < chance
        found.append(event(f"{user}-a", "account", user, STATE, properties={"plan": "x", "tenure": str(number % 9)}))
        found.append(event(f"{user}-s", "support", user, STATE - DAY))
        if leaves:
            found += [event(f"{user}-{n}", "support", user, STATE + n * DAY) for n in range(1, 4)]
            found.append(event(f"{user}-c", "cancel", user, STATE + 5 * DAY))
        left.append(leaves)
    return found, left


def rows(frame: DataFrame) -> dict[str, Any]:
    return {row.user_id: row for row in frame.collect()}


def test_what_happens_in_the_label_window_tells_a_model_nothing(spark: SparkSession, config: Config) -> None:
    records, left = customers(120)
    settings = churn_config(config, features=["count:support", "number:tenure"])
    accounts = labelled_accounts(known(spark, records), settings)
    found = rows(accounts)
    assert [found[f"c{number:03}"].churned for number in range(120)] == left
    assert {row.lifetime.counts["support"] for row in found.values()} == {1}
    assert all("cancel" not in row.lifetime.counts for row in found.values())
    model = train_churn(accounts, settings.batch.churn, 1)
    assert model is not None
    assert model.coefficients[0] == 0.0
    assert model.uses[0].measures == {"coefficient": 0.0, "auc": 0.5}


def test_a_cancel_at_the_very_moment_of_the_account_s_state_is_in_the_window(
    spark: SparkSession, config: Config
) -> None:
    records = [event("a", "account", "c", STATE, properties={}), event("b", "cancel", "c", STATE)]
    [row] = labelled_accounts(known(spark, records), churn_config(config)).collect()
    assert (row.churned, dict(row.lifetime.counts), row.since) == (True, {"account": 1}, STATE)


def test_a_label_needs_its_whole_window_and_counts_nothing_after_it(spark: SparkSession, config: Config) -> None:
    records = [
        event("young", "account", "young", HORIZON - 45 * DAY + 1, properties={}),
        event("old", "account", "just", HORIZON - 45 * DAY, properties={}),
        event("first", "account", "late", STATE, properties={}),
        event("then", "cancel", "late", STATE + 45 * DAY + 1),
    ]
    found = rows(labelled_accounts(known(spark, records), churn_config(config)))
    assert {user: row.churned for user, row in found.items()} == {"just": False, "late": False}


def test_inactivity_is_no_event_in_the_last_days(spark: SparkSession, config: Config) -> None:
    cut = HORIZON - 45 * DAY
    records = [event(f"{user}-a", "account", user, STATE, properties={}) for user in ("silent", "active")]
    records += [event("seen", "search", "silent", cut - 1), event("again", "search", "active", cut)]
    found = rows(labelled_accounts(known(spark, records), churn_config(config, label="inactivity")))
    assert {user: (row.churned, row.since) for user, row in found.items()} == {
        "silent": (True, cut), "active": (False, cut)
    }  # fmt: skip
    assert dict(found["active"].lifetime.counts) == {"account": 1}


def planted(spark: SparkSession, count: int = 400) -> Known:
    """Who has the monthly plan leaves by 60 %, the others by 10 %."""
    rng, records = random.Random(11), []
    for number in range(count):
        user, monthly = f"c{number:03}", number % 2 == 0
        plan = {"plan": "month" if monthly else "year"}
        records.append(event(f"{user}-a", "account", user, STATE, properties=plan))
        if rng.random() < (0.6 if monthly else 0.1):
            records.append(event(f"{user}-c", "cancel", user, STATE + 5 * DAY))
    return known(spark, records)


@pytest.mark.parametrize("balanced", [False, True])
def test_probabilities_are_shares_of_those_who_leave_with_class_weights_too(
    spark: SparkSession, config: Config, balanced: bool
) -> None:
    settings = churn_config(config, features=["is:plan=*"], balanced=balanced, reg=0.0001)
    accounts = labelled_accounts(planted(spark), settings)
    model = train_churn(accounts, settings.batch.churn, 1)
    assert model is not None
    assert model.features == ["is:plan=year"]
    told = [1 / (1 + np.exp(-(model.intercept + value * model.coefficients[0]))) for value in (0.0, 1.0)]
    plans = accounts.groupBy(F.col("lifetime.account.attributes")["plan"].alias("plan"))
    shares = {row.plan: row.share for row in plans.agg(F.avg(F.col("churned").cast("double")).alias("share")).collect()}
    assert told == pytest.approx([shares["month"], shares["year"]], abs=0.02)
    assert model.base_rate == pytest.approx(np.mean(list(shares.values())))
    assert model.cutoff == cheapest(model.curve)
    assert told[1] < model.cutoff <= told[0] + 0.05


def test_candidates_are_compared_and_the_chosen_is_first(spark: SparkSession, config: Config) -> None:
    settings = churn_config(config, features=["is:plan=*"], grid={"reg": (5.0, 0.001)})
    selection = select_churn(labelled_accounts(planted(spark, 200), settings), settings.batch.churn)
    assert [trial.settings["reg"] for trial in selection.trials] == [0.001, 5.0]
    losses = [trial.metrics["minus_log_loss"] for trial in selection.trials]
    assert losses[0] > losses[1]
    assert selection.chosen.reg == 0.001


@pytest.mark.parametrize(("chance", "reason"), [(0.0, "all 20 labelled accounts stayed"), (1.0, "all 20 .* left")])
def test_of_one_class_nothing_is_learnt_and_it_is_said_why(
    spark: SparkSession, config: Config, chance: float, reason: str
) -> None:
    settings = churn_config(config, features=["number:tenure"])
    accounts = labelled_accounts(known(spark, customers(20, chance)[0]), settings)
    selection = select_churn(accounts, settings.batch.churn)
    assert selection.reason is not None
    assert re.search(reason, selection.reason)
    assert train_churn(accounts, settings.batch.churn, 1) is None


def test_without_a_label_nothing_is_learnt_and_it_is_said_why(spark: SparkSession, config: Config) -> None:
    records = [event("a", "account", "c", HORIZON - DAY, properties={})]
    settings = churn_config(config, features=["number:tenure"])
    selection = select_churn(labelled_accounts(known(spark, records), settings), settings.batch.churn)
    assert selection.reason is not None
    assert "no account has a label" in selection.reason


def test_drift_is_nil_for_the_same_customers(spark: SparkSession, config: Config) -> None:
    settings = churn_config(config, features=["is:plan=*"])
    accounts = labelled_accounts(planted(spark, 200), settings)
    first = train_churn(accounts, settings.batch.churn, 1)
    again = train_churn(accounts, settings.batch.churn, 2, first)
    assert isinstance(first, ChurnModel)
    assert isinstance(again, ChurnModel)
    assert [use.drift for use in first.uses] == [None]
    assert [use.drift for use in again.uses] == [0.0]
    bare = msgspec.structs.replace(again, version=1, uses=first.uses)
    assert msgspec.msgpack.encode(bare, enc_hook=bytes) == msgspec.msgpack.encode(first, enc_hook=bytes)


def viewers(spark: SparkSession) -> Known:
    """Thirty who watch one title, twenty who watch ten, ten who only search beside it."""
    records = []
    for number in range(60):
        user = f"v{number:02}"
        titles, searches = (1, 0) if number < 30 else (10, 0) if number < 50 else (1, 30)
        records += [event(f"{user}-{n}", "view", user, STATE + n, f"t{n}", 0.9) for n in range(titles)]
        records += [event(f"{user}-s{n}", "search", user, STATE + n) for n in range(searches)]
    return known(spark, records)


def test_k_is_the_planted_number_of_segments_and_they_keep_their_numbers(spark: SparkSession, config: Config) -> None:
    settings = config.batch.segment.model_copy(
        update={"features": ("titles", "count:view", "count:search"), "grid": {"k": (2, 3, 4)}}
    )
    seen = viewers(spark).profiles.persist()
    selection = select_segment(seen, HORIZON, settings, 1)
    assert selection.chosen.k == 3
    assert selection.trials[0].metrics["silhouette"] == max(t.metrics["silhouette"] for t in selection.trials)
    first = train_segment(seen, HORIZON, selection.chosen, 1, 1)
    assert first is not None
    assert (first.numbers, first.sizes, first.given) == ([0, 1, 2], [30, 20, 10], 3)
    assert len(set(first.names)) == 3
    assert first.traits[2][0].feature == "count:search"
    assert first.popular[0][:1] == ["t0"]
    other_seed = train_segment(seen, HORIZON, selection.chosen, 99, 2, first)
    assert other_seed is not None
    assert (other_seed.numbers, other_seed.sizes, other_seed.names) == (first.numbers, first.sizes, first.names)
