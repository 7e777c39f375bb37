"""Churn on customers never seen, and segments' silhouette, beside scikit-learn on the same folds and vectors."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from batch.customers.calibration import cross_calibrated, measures
from batch.customers.churn import labelled_accounts
from batch.customers.feature_vectors import Floats
from batch.customers.logistic import Rows, out_of_fold, rows_of
from batch.customers.segment import clusters, select_segment, viewers_of
from batch.known import Known, known_before
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, at_most, reported
from lambda_arch.clock import DAY
from lambda_arch.recipes import Churn

FOLDS = 5
LEAST_AUC, MOST_ERROR, LEAST_SHARE = 0.84, 0.03, 0.98


def rows(ground: Ground) -> list[Row]:
    """AUC and calibration error over five folds of customers; silhouette at the k that is chosen."""
    settings = ground.config.batch
    # Every label's window has ended so many days after the last record.
    horizon = ground.data.horizon + (settings.churn.horizon_days + 3) * DAY
    known = known_before(ground.lake, horizon, ground.config.features.history_limit)
    return [*_churn(ground, known), *_segment(ground, known)]


def _churn(ground: Ground, known: Known) -> list[Row]:
    settings = Churn.model_validate({**ground.config.batch.churn.model_dump(), "folds": FOLDS, "grid": {}})
    customers = rows_of(labelled_accounts(known, ground.config), settings)
    [log_odds] = out_of_fold(customers, [settings])
    ours = measures(cross_calibrated(log_odds, customers.labels, customers.folds), customers.labels)
    theirs = measures(_scikit_learn(customers), customers.labels)
    count = f"{len(customers.labels)} Telco customers, each by a fit that has not seen them, {FOLDS} folds"
    return [
        at_least(LEAST_AUC, "churn: AUC", [ours["auc"]], "", count),
        reported("churn: AUC of scikit-learn", [theirs["auc"]], "", "LogisticRegression, same folds and features"),
        at_most(MOST_ERROR, "churn: calibration error", [ours["calibration_error"]], "", "10 bins, same predictions"),
        reported("churn: calibration error of scikit-learn", [theirs["calibration_error"]], "", "as it comes"),
        reported("churn: area under precision-recall", [ours["pr_auc"]], "", "same predictions"),
    ]


def _scikit_learn(customers: Rows) -> Floats:
    told = np.empty(len(customers.labels))
    for fold in range(FOLDS):
        own = customers.folds == fold
        learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        learner.fit(customers.vectors[~own], customers.labels[~own])
        told[own] = learner.predict_proba(customers.vectors[own])[:, 1]
    return told


def _segment(ground: Ground, known: Known) -> list[Row]:
    settings, seed = ground.config.batch.segment, ground.config.batch.seed
    chosen = select_segment(known.profiles, known.horizon, settings, seed).chosen
    viewers = viewers_of(known.profiles, known.horizon, chosen)
    found = clusters(viewers.frame, chosen, seed)
    scaled = found.scaled(viewers.vectors)
    theirs = KMeans(chosen.k, n_init=10, random_state=seed).fit_predict(scaled)
    ours, rival = (float(silhouette_score(scaled, rows)) for rows in (found.nearest(viewers.vectors), theirs))
    told = f"{len(scaled)} viewers, k = {chosen.k}"
    return [
        reported("segment: silhouette", [ours], "", told),
        reported("segment: silhouette of scikit-learn", [rival], "", "KMeans of 10 starts, same k and vectors"),
        at_least(LEAST_SHARE, "segment: silhouette, ours to scikit-learn's", [ours / rival], "×", told),
    ]
