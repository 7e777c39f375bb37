"""Fidelity: how good each layer's answer is by how many of the entity's events it has not seen.

For an entity whose events are e1..en in time, the batch layer knows the first k; at lag L the speed layer knows
the first k + L; truth is what came after (or, for segments and sentiment, what full knowledge gives). Both layers
answer through the functions that serve. Models of the backtest have not seen what they are judged on.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from batch.cases import CASES, churn_cases, title_cases, user_cases
from batch.churn import fold, labelled_accounts, train_churn
from batch.known import Known
from batch.recommend import seen_titles, train_recommend
from batch.segment import train_segment
from batch.sentiment import labelled_posts, train_sentiment
from lambda_arch.config import Batch, Config
from lambda_arch.features import profiles, unit_tile
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.schemas import Transform

LEAST_EVENTS = 10
LEAST_POSTS = 4
JUDGED_FOLD = 4


def backtest(known: Known, models: Models, config: Config) -> FidelityTable:
    """The fidelity table; `models` are the generation's own and give the catalogue and the number."""
    settings, history_limit = config.batch, config.features.history_limit
    trained = _backtest_models(known, models, settings, history_limit)
    users = _sequences(known).mapInArrow(user_cases(trained, settings.backtest, history_limit), CASES)
    accounts = labelled_accounts(known, settings.churn.horizon_days).where(fold("user_id") == JUDGED_FOLD)
    customers = accounts.mapInArrow(churn_cases(trained), CASES)
    titles = _posts_by_title(known).mapInArrow(title_cases(trained, settings.backtest.known_share), CASES)
    return FidelityTable(models.generation, _measured(users.unionByName(customers).unionByName(titles)))


def early(known_share: float) -> Transform:
    """Each user's events up to the known share of those that are judged: of what was seen, in order of time.

    Other events (searches, say) do not move the cut: what comes after it is what the models are judged on.
    """
    by_user = Window.partitionBy("user_id")
    in_order = by_user.orderBy("event_time", F.xxhash64("event_id")).rowsBetween(Window.unboundedPreceding, 0)
    seen = unit_tile()["strength"].isNotNull().cast("int")
    cut = F.floor(F.sum(seen).over(by_user) * known_share)
    return lambda events: (
        events.withColumns({"place": F.sum(seen).over(in_order), "cut": cut})
        .where(F.col("place") <= F.col("cut"))
        .drop("place", "cut")
    )


def _backtest_models(known: Known, models: Models, settings: Batch, history_limit: int) -> Models:
    """Models that have not seen what they are judged on: later events, other customers, other titles' posts."""
    seen_early = known.events.transform(early(settings.backtest.known_share))
    earlier = seen_early.transform(profiles(known.titles, history_limit)).persist()
    accounts = labelled_accounts(known, settings.churn.horizon_days).where(fold("user_id") != JUDGED_FOLD)
    posts = labelled_posts(known.posts, known.labels).where(fold("title_id") != JUDGED_FOLD)
    number = models.generation
    trained = Models(
        generation=number,
        horizon=known.horizon,
        recommend=train_recommend(seen_titles(earlier), settings.recommend, settings.seed, number),
        segment=train_segment(earlier, known.horizon, settings.segment, settings.seed, number),
        churn=train_churn(accounts, settings.churn, number),
        sentiment=train_sentiment(posts, settings.sentiment, number),
        catalogue=models.catalogue,
    )
    earlier.unpersist()
    return trained


def _sequences(known: Known) -> DataFrame:
    """(user_id, events): each viewer's events in order of time, as the gate would hand them on."""
    units = known.events.withColumns(unit_tile()).where(F.col("strength").isNotNull())
    event = F.struct(
        F.col("time").alias("event_time"), "id_hash", "topic", "partition", "offset", "event_id", "event_type",
        "user_id", "title_id", "watched", "rated", "strength",
    )  # fmt: skip
    grouped = units.groupBy("user_id").agg(F.sort_array(F.collect_list(event)).alias("events"))
    return grouped.where(F.size("events") >= LEAST_EVENTS)


def _posts_by_title(known: Known) -> DataFrame:
    """(title_id, posts): the judged titles' posts in order of time."""
    post = F.struct(F.unix_micros("event_time").alias("event_time"), "post_id", "text")
    judged = known.posts.where(fold("title_id") == JUDGED_FOLD)
    grouped = judged.groupBy("title_id").agg(F.sort_array(F.collect_list(post)).alias("posts"))
    return grouped.where(F.size("posts") >= LEAST_POSTS)


def _measured(cases: DataFrame) -> dict[str, dict[str, dict[str, Measure]]]:
    grouped = cases.groupBy("use_case", "layer", "bucket").agg(
        F.avg("value").alias("value"), _standard_error("value").alias("error"), F.count("*").alias("cases")
    )
    table: dict[str, dict[str, dict[str, Measure]]] = {}
    for row in grouped.orderBy("use_case", "layer", "bucket").collect():
        layer = table.setdefault(row.use_case, {}).setdefault(row.layer, {})
        layer[row.bucket] = Measure(round(row.value, 6), round(row.error, 6), row.cases)
    return table


def _standard_error(name: str) -> Column:
    """Of a mean; 1 where a single case tells nothing about the spread."""
    return F.coalesce(F.try_divide(F.stddev_samp(name), F.sqrt(F.count("*"))), F.lit(1.0))
