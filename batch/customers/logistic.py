"""Logistic regression on labelled customers: rows, fits, and what is said of customers that a fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import StandardScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.customers.feature_vectors import Floats, feature_names, matrix, with_vectors
from batch.selection import side_by_side
from lambda_arch.recipes import Churn

ITERATIONS = 100


@dataclass(frozen=True)
class Rows:
    """Labelled customers in one order: `vectors` [n, features], `labels` (0, 1) and `folds` [n]; `frame` has them."""

    features: list[str]
    vectors: Floats
    labels: Floats
    folds: Floats
    frame: DataFrame


@dataclass(frozen=True)
class Line:
    """Log odds = coefficients · x + intercept."""

    coefficients: Floats
    intercept: float

    def log_odds(self, vectors: Floats) -> Floats:
        """Of each vector."""
        return np.asarray(vectors @ self.coefficients + self.intercept, dtype=np.float64)


def rows_of(accounts: DataFrame, settings: Churn) -> Rows:
    """The labelled accounts (PROFILE with `since` and `churned`) as vectors, kept in memory."""
    features = feature_names(accounts, settings.features)
    vectors = with_vectors(accounts, features, F.col("since"), "user_id", "churned")
    # One partition in one order: sums are of floats, and a night run again must agree.
    ordered = vectors.repartition(1).sortWithinPartitions("user_id")
    label, part = F.col("churned").cast("double").alias("label"), customer_part(settings.folds).alias("fold")
    frame = ordered.select("vector", label, part).persist()
    found = frame.toArrow()
    labels, folds = found["label"].to_numpy(), found["fold"].to_numpy()
    return Rows(features, matrix(found["vector"], len(features)), labels, folds, frame)


def customer_part(parts: int) -> Column:
    """The part of a customer, from 0: independent of the fold that the backtest judges."""
    return F.pmod(F.xxhash64("user_id", F.lit("part")), F.lit(parts))


def nothing_to_learn(rows: Rows, settings: Churn) -> str | None:
    """Why no model can be trained; None where one can."""
    left, folds = int(rows.labels.sum()), settings.folds
    if not len(rows.labels):
        return f"no account has a label: none is older than batch.churn.horizon_days = {settings.horizon_days}"
    if left in (0, len(rows.labels)):
        return f"all {len(rows.labels)} labelled accounts {'left' if left else 'stayed'}: both are needed to learn from"
    of_class = [rows.folds[rows.labels == label] for label in (0.0, 1.0)]
    if any(len(np.unique(parts)) < 2 for parts in of_class):
        return f"{left} of {len(rows.labels)} labelled accounts left: too few for {folds} folds"
    return None


def fitted(rows: Rows, settings: Churn, without: int | None = None) -> Line:
    """The fit on all rows, or on those of the other folds."""
    seen = np.ones(len(rows.labels), dtype=bool) if without is None else rows.folds != without
    frame = rows.frame if without is None else rows.frame.where(F.col("fold") != without)
    raw = array_to_vector(F.col("vector")).alias("raw")
    weighed = frame.select(raw, "label", _weight(rows.labels[seen], settings).alias("weight"))
    scaler = StandardScaler(inputCol="raw", outputCol="features", withStd=True)
    learner = LogisticRegression(
        regParam=settings.reg, maxIter=ITERATIONS, standardization=False, weightCol="weight", featuresCol="features"
    )
    fit: Any = Pipeline(stages=[scaler, learner]).fit(weighed)
    scaled, logistic = fit.stages
    spread = scaled.std.toArray()
    coefficients = logistic.coefficients.toArray() / np.where(spread > 0, spread, 1.0)
    return Line(coefficients, float(logistic.intercept))


def out_of_fold(rows: Rows, candidates: Sequence[Churn]) -> list[Floats]:
    """Per candidate the log odds of every customer, by the fit that has not seen them; fits run side by side."""
    folds = np.unique(rows.folds).tolist()
    asked = [(candidate, fold) for candidate in candidates for fold in folds]
    lines = side_by_side(rows.frame.sparkSession, lambda at: fitted(rows, *at), asked)
    found = []
    for number in range(len(candidates)):
        told = np.empty(len(rows.labels))
        for fold, line in zip(folds, lines[number * len(folds) :], strict=False):
            told[rows.folds == fold] = line.log_odds(rows.vectors[rows.folds == fold])
        found.append(told)
    return found


def _weight(labels: Floats, settings: Churn) -> Column:
    """1, or what makes both classes weigh alike."""
    if not settings.balanced:
        return F.lit(1.0)
    share = float(labels.mean())
    return F.when(F.col("label") > 0, F.lit(0.5 / share)).otherwise(F.lit(0.5 / (1 - share)))
