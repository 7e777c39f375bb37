"""Churn: who leaves within the days after what is known of them; calibrated, with a cutoff by cost."""

from __future__ import annotations

import time

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.customers.calibration import cheapest, cost_curve, cross_calibrated, measures, minus_log_losses, platt
from batch.customers.feature_vectors import Floats
from batch.customers.logistic import Rows, fitted, nothing_to_learn, out_of_fold, rows_of
from batch.customers.usefulness import churn_uses
from batch.known import Known
from batch.selection import Selection, Trial, best_first
from lambda_arch.clock import DAY
from lambda_arch.config import Config
from lambda_arch.features import profiles
from lambda_arch.models import ChurnModel
from lambda_arch.recipes import Churn

FOLDS = 5


def labelled_accounts(known: Known, config: Config) -> DataFrame:
    """PROFILE of what came before each account's label window, `since` where that begins, `churned`: what came in it.

    A label of `cancel` has its window after the account's newest state of which the window had ended at the horizon;
    one of `inactivity` has it at the end of what is known. No event is on both sides.
    """
    settings = config.batch.churn
    events = known.events.join(_windows(known, settings), on="user_id", how="inner")
    before, since = before_window(), F.col("since")
    within = ~before & (F.unix_micros("event_time") <= since + settings.horizon_days * DAY)
    seen = events.where(before).transform(profiles(known.titles, config.features.history_limit))
    labels = events.groupBy("user_id", "since").agg(_label(within, settings).alias("churned"))
    return seen.join(labels, on="user_id", how="inner").persist()


def before_window() -> Column:
    """Whether an event is before the label window that begins at `since`, as the account's state there is."""
    at, since = F.unix_micros("event_time"), F.col("since")
    return (at < since) | ((at == since) & (F.col("event_type") == "account"))


def fold(key: str) -> Column:
    """The fold of a user or title, 0 to 4: stable, so that what is judged was never trained on."""
    return F.pmod(F.xxhash64(key), F.lit(FOLDS))


def select_churn(accounts: DataFrame, settings: Churn) -> Selection[Churn]:
    """The candidate of the least log-loss on customers that its fit has not seen; of equals the first."""
    candidates = settings.candidates()
    rows = rows_of(accounts, candidates[0])
    try:
        if reason := nothing_to_learn(rows, settings):
            return Selection(candidates[0], reason=reason)
        if len(candidates) == 1:
            return Selection(candidates[0])
        begun = time.monotonic()
        told = [cross_calibrated(odds, rows.labels, rows.folds) for odds in out_of_fold(rows, candidates)]
        seconds = round((time.monotonic() - begun) / len(candidates), 2)
    finally:
        rows.frame.unpersist()
    return best_first(candidates, [_trial(*found, rows, seconds) for found in zip(candidates, told, strict=True)])


def train_churn(
    accounts: DataFrame, settings: Churn, version: int, previous: ChurnModel | None = None
) -> ChurnModel | None:
    """Logistic regression on labelled accounts, calibrated on what folds say of those they have not seen.

    None where there is nothing to learn from. `previous` is what features' drift is measured against.
    """
    rows = rows_of(accounts, settings)
    try:
        if nothing_to_learn(rows, settings):
            return None
        line, [log_odds] = fitted(rows, settings), out_of_fold(rows, [settings])
    finally:
        rows.frame.unpersist()
    slope, intercept = platt(log_odds, rows.labels)
    curve = cost_curve(cross_calibrated(log_odds, rows.labels, rows.folds), rows.labels, settings.costs)
    coefficients = slope * line.coefficients
    return ChurnModel(
        name="logistic_regression", version=version, features=rows.features, coefficients=coefficients,
        intercept=slope * line.intercept + intercept, cutoff=cheapest(curve), base_rate=float(rows.labels.mean()),
        curve=curve, uses=churn_uses(rows.features, rows.vectors, rows.labels, coefficients, previous),
    )  # fmt: skip


def _windows(known: Known, settings: Churn) -> DataFrame:
    """(user_id, since): where the label window of each account begins that had ended at the horizon."""
    latest = known.horizon - settings.horizon_days * DAY
    at = F.unix_micros("event_time")
    accounts = known.events.where((F.col("event_type") == "account") & (at <= latest)).groupBy("user_id")
    if settings.label == "cancel":
        return accounts.agg(F.max(at).alias("since"))
    return accounts.agg(F.lit(latest).alias("since"))


def _label(within: Column, settings: Churn) -> Column:
    if settings.label == "cancel":
        return F.coalesce(F.bool_or(within & (F.col("event_type") == "cancel")), F.lit(False))
    return ~F.coalesce(F.bool_or(within), F.lit(False))


def _trial(candidate: Churn, told: Floats, rows: Rows, seconds: float) -> Trial:
    losses = minus_log_losses(told, rows.labels)
    error = round(float(losses.std(ddof=1) / np.sqrt(len(losses))), 6)
    tried = {"reg": candidate.reg, "balanced": candidate.balanced}
    return Trial("logistic_regression", tried, measures(told, rows.labels), error, seconds)
