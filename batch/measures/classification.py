"""How good a classifier is: ranking and calibration of its probabilities, and the calls that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from batch.measures.bootstrap import Floats

BINS = 10


class Bin(msgspec.Struct, frozen=True):
    """Those who were given about the same probability: its mean, the share of them to whom it happened, how many."""

    predicted: float
    happened: float
    count: int


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


def reliability(probability: Floats, happened: Floats) -> tuple[Bin, ...]:
    """Ten bins of equal width by probability, those that have anybody."""
    number = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(number, minlength=BINS)
    told, came = (
        np.bincount(number, weights=of, minlength=BINS) / np.maximum(counts, 1) for of in (probability, happened)
    )
    return tuple(
        Bin(round(float(told[bin_]), 6), round(float(came[bin_]), 6), int(counts[bin_]))
        for bin_ in np.flatnonzero(counts)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: how far told and happened lie apart (Naeini, Cooper, Hauskrecht 2015)."""
    return sum(found.count * abs(found.predicted - found.happened) for found in bins) / sum(
        found.count for found in bins
    )


def macro_f1(told: NDArray[Any], happened: NDArray[Any]) -> float:
    """Mean of the F1 of every class that was told or happened."""
    return float(f1_score(happened, told, average="macro", zero_division=0))
