"""Probabilities that mean what they say, and what acting on them costs: of log odds and outcomes, in numpy."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from batch.customers.feature_vectors import Floats
from batch.measures.classification import calibration_error, ranking, reliability
from lambda_arch.models import CurvePoint
from lambda_arch.recipes import Costs

CUTOFFS = np.linspace(0, 1, 101)
_FLOOR = 1e-6


def platt(log_odds: Floats, happened: Floats) -> tuple[float, float]:
    """Slope (not negative) and intercept that turn log odds into calibrated ones (Platt 1999, smoothed targets)."""
    left, stayed = happened.sum(), (1 - happened).sum()
    wanted = np.where(happened > 0, (left + 1) / (left + 2), 1 / (stayed + 2))

    def loss(line: Floats) -> tuple[float, Floats]:
        told = line[0] * log_odds + line[1]
        apart = expit(told) - wanted
        return float((np.logaddexp(0, told) - wanted * told).mean()), np.array(
            [(apart * log_odds).mean(), apart.mean()]
        )

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    return float(found[0]), float(found[1])


def cross_calibrated(log_odds: Floats, happened: Floats, folds: Floats) -> Floats:
    """Probabilities, each fold's calibrated by the others': nobody's outcome is in their own."""
    told = np.empty_like(log_odds)
    for fold in np.unique(folds):
        own = folds == fold
        slope, intercept = platt(log_odds[~own], happened[~own])
        told[own] = expit(slope * log_odds[own] + intercept)
    return told


def measures(probability: Floats, happened: Floats) -> dict[str, float]:
    """Minus log-loss, areas under the ROC and the precision-recall curve, expected calibration error."""
    found = {
        "minus_log_loss": float(minus_log_losses(probability, happened).mean()),
        **ranking(probability, happened),
        "calibration_error": calibration_error(reliability(probability, happened)),
    }
    return {name: round(value, 6) for name, value in found.items()}


def minus_log_losses(probability: Floats, happened: Floats) -> Floats:
    """Each one's logarithm of the probability given to what happened."""
    return np.log(np.maximum(_FLOOR, np.where(happened > 0, probability, 1 - probability)))


def cost_curve(probability: Floats, happened: Floats, costs: Costs) -> list[CurvePoint]:
    """Precision, recall and cost per customer at cutoffs from 0 to 1; precision is 1 where nobody is called."""
    points = []
    for cutoff in CUTOFFS:
        called = probability >= cutoff
        right = float(happened[called].sum())
        wrong, missed = float(called.sum()) - right, float(happened.sum()) - right
        cost = (costs.false_positive * wrong + costs.false_negative * missed) / len(happened)
        precision = right / (right + wrong) if called.any() else 1.0
        found = (cutoff, precision, right / max(1.0, happened.sum()), cost)
        points.append(CurvePoint(*(round(float(value), 6) for value in found)))
    return points


def cheapest(curve: list[CurvePoint]) -> float:
    """The cutoff of the least cost; of equals the lowest."""
    return min(curve, key=lambda point: point.cost).cutoff
