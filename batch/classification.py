"""How good a classifier is: ranking and calibration of its probabilities, and the calls that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from batch.bootstrap import Floats

BINS = 10


def ranking(probability: Floats, happened: Floats) -> dict[str, float]:
    """Areas under the ROC and the precision-recall curve; nothing where all are of one class."""
    if len(np.unique(happened)) < 2:
        return {}
    auc, pr_auc = roc_auc_score(happened, probability), average_precision_score(happened, probability)
    return {"auc": float(auc), "pr_auc": float(pr_auc)}


def calls(probability: Floats, happened: Floats, cutoff: float) -> dict[str, float]:
    """Precision and recall of calling everybody from the cutoff on; 0 where nobody is called."""
    called = probability >= cutoff
    precision = precision_score(happened, called, zero_division=0)
    return {"precision": float(precision), "recall": float(recall_score(happened, called, zero_division=0))}


def calibration_error(probability: Floats, happened: Floats) -> float:
    """Expected calibration error over ten bins of equal width (Naeini, Cooper, Hauskrecht 2015)."""
    number = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    apart = np.bincount(number, weights=probability - happened, minlength=BINS)
    return float(np.abs(apart).sum() / len(probability))


def macro_f1(told: NDArray[Any], happened: NDArray[Any]) -> float:
    """Mean of the F1 of every class that was told or happened."""
    return float(f1_score(happened, told, average="macro", zero_division=0))
