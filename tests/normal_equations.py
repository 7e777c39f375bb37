"""The fold-in's equations solved the plain way, to compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lambda_arch.recommend_model import RecommendModel


def normal_equations(als: RecommendModel, strengths: Mapping[int, float]) -> np.ndarray:
    """Hu, Koren, Volinsky's dense form, written out: every title has a confidence and a preference.

    `strengths` by row, newest first.
    """
    how, (titles, rank) = als.fold_in, als.factors.shape
    y = als.factors.astype(np.float64)
    recency = {row: how.floor + how.gain * math.exp(-place / how.memory) for place, row in enumerate(strengths)}
    weight = {row: strength * recency[row] for row, strength in strengths.items()}
    confidence = np.array([1 + how.alpha * weight.get(row, 0.0) for row in range(titles)])
    preference = np.array([1.0 if row in strengths else 0.0 for row in range(titles)])
    left = y.T @ (confidence[:, None] * y) + how.reg * min(1, len(strengths) / how.few) * np.eye(rank)
    return np.asarray(np.linalg.inv(left) @ y.T @ (confidence * preference))
