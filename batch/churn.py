"""Churn: logistic regression on the account, labelled by what happened after it."""

from __future__ import annotations

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.known import Known
from batch.segment import feature_vectors
from lambda_arch.clock import DAY
from lambda_arch.models import ChurnModel
from lambda_arch.recipes import Churn

FOLDS = 5


def labelled_accounts(known: Known, window_days: int) -> DataFrame:
    """Profiles of schema PROFILE with `churned`: whether `cancel` came within the window after the account's state.

    Only accounts whose window had ended at the horizon: of the others nobody knows yet.
    """
    cancels = known.events.where(F.col("event_type") == "cancel").groupBy("user_id")
    cancelled = cancels.agg(F.min(F.unix_micros("event_time")).alias("cancelled"))
    since = F.col("lifetime.account.time")
    churned = F.coalesce(F.col("cancelled").between(since, since + window_days * DAY), F.lit(False))
    ended = known.profiles.where(since + window_days * DAY <= known.horizon)
    return ended.join(cancelled, on="user_id", how="left").withColumn("churned", churned).drop("cancelled")


def fold(key: str) -> Column:
    """The fold of a user or title, 0 to 4: stable, so that what is judged was never trained on."""
    return F.pmod(F.xxhash64(key), F.lit(FOLDS))


def churn_features(accounts: DataFrame, settings: Churn) -> list[str]:
    """Names of the features: numeric attributes, and each value but the first of the categorical ones."""
    attributes = accounts.select(F.explode("lifetime.account.attributes").alias("name", "value"))
    values = attributes.where(F.col("name").isin(*settings.categorical)).distinct().orderBy("name", "value").collect()
    by_name: dict[str, list[str]] = {}
    for row in values:
        by_name.setdefault(row.name, []).append(row.value)
    numbers = [feature for name in settings.numeric for feature in (f"number:{name}", f"log:{name}")]
    return [*numbers, *(f"is:{name}={value}" for name in settings.categorical for value in by_name.get(name, [])[1:])]


def train_churn(accounts: DataFrame, settings: Churn, version: int) -> ChurnModel | None:
    """Logistic regression on labelled accounts; None where they are all of one class."""
    classes = {row.churned: row["count"] for row in accounts.groupBy("churned").count().collect()}
    if len(classes) < 2:
        return None
    features = churn_features(accounts, settings)
    labels = accounts.select("user_id", F.col("churned").cast("double").alias("label"))
    vectors = accounts.drop("churned").mapInArrow(feature_vectors(features, 0), "user_id string, vector array<double>")
    rows = vectors.join(labels, on="user_id", how="inner").repartition(1).sortWithinPartitions("user_id")
    frame = rows.select(array_to_vector(F.col("vector")).alias("features"), "label")
    fitted = LogisticRegression(regParam=settings.reg, maxIter=100).fit(frame)
    return ChurnModel(
        name="logistic_regression", version=version, features=features, coefficients=fitted.coefficients.toArray(),
        intercept=float(fitted.intercept), cutoff=settings.cutoff, base_rate=classes[True] / sum(classes.values()),
    )  # fmt: skip
