"""Fidelity: how good each layer's answer is by how many of the entity's events it has not seen.

For an entity whose events are e1..en in time, the batch layer knows the first k; at lag L the speed layer knows
the first k + L; truth is what came after (or, for segments and sentiment, what full knowledge gives). Both layers
answer through the functions that serve. The models that are judged have not seen what they are judged on.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.cases import CASES, churn_cases, title_cases, user_cases
from batch.churn import fold, labelled_accounts
from batch.known import Known
from batch.training import JUDGED_FOLD
from lambda_arch.config import Config
from lambda_arch.features import unit_tile
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models

LEAST_EVENTS = 10
LEAST_POSTS = 4


def backtest(known: Known, twins: Models, config: Config) -> FidelityTable:
    """The fidelity table; `twins` are trained like the generation's models, on what is not judged."""
    settings, history_limit = config.batch, config.features.history_limit
    users = _sequences(known).mapInArrow(user_cases(twins, settings.backtest, history_limit), CASES)
    accounts = labelled_accounts(known, settings.churn.horizon_days).where(fold("user_id") == JUDGED_FOLD)
    customers = accounts.mapInArrow(churn_cases(twins), CASES)
    titles = _posts_by_title(known).mapInArrow(title_cases(twins, settings.backtest.known_share), CASES)
    return FidelityTable(twins.generation, _measured(users.unionByName(customers).unionByName(titles)))


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
