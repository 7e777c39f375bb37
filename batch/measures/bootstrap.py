"""How far a mean over cases may be off: the bootstrap over entities, whose cases move together.

Cluster bootstrap (Field, Welsh 2007): entities are drawn with replacement, each with all of its cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNKNOWN = 1.0  # the error of a mean over a single entity, which tells nothing about the spread
_CHUNK = 50


@dataclass(frozen=True)
class Clustered:
    """Sums and counts of cases, float64 [entities, columns]: what means over cases are made of."""

    sums: Floats
    counts: Floats

    def means(self) -> Floats:
        """Mean over all cases per column; NaN for a column without cases."""
        return _ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))

    def resampled(self, resamples: int, seed: int) -> Floats:
        """Means [resamples, columns] over entities drawn with replacement; NaN where a draw has no case."""
        rng, entities = np.random.default_rng(seed), len(self.sums)
        found = []
        for first in range(0, resamples, _CHUNK):
            rows = min(_CHUNK, resamples - first)
            drawn = rng.integers(0, entities, (rows, entities)) + np.arange(rows)[:, None] * entities
            times = np.bincount(drawn.ravel(), minlength=rows * entities).reshape(rows, entities).astype(np.float64)
            found.append(_ratio(times @ self.sums, times @ self.counts))
        return np.concatenate(found)

    def entities(self) -> NDArray[np.int64]:
        """How many entities have a case, per column."""
        return np.asarray((self.counts > 0).sum(axis=0), dtype=np.int64)


def clustered(entity: NDArray[np.int64], values: Floats, present: NDArray[np.bool_]) -> Clustered:
    """Cases' values [cases, columns] by entity number [cases]; `present` [cases, columns] says which count."""
    shape = (int(entity.max()) + 1, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, entity, np.where(present, values, 0.0))
    np.add.at(counts, entity, present.astype(np.float64))
    return Clustered(sums, counts)


def standard_errors(resampled: Floats, entities: NDArray[np.int64]) -> Floats:
    """Standard deviation per column of means [resamples, columns]; UNKNOWN below two entities.

    The bootstrap's variance is (n - 1) / n of the unbiased one: that is made good.
    """
    known = ~np.isnan(resampled)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, resampled, 0.0)
    centre = filled.sum(axis=0) / count
    spread = np.sqrt((np.where(known, filled - centre, 0.0) ** 2).sum(axis=0) / count)
    return np.where(entities < 2, UNKNOWN, spread * np.sqrt(entities / np.maximum(entities - 1, 1)))


def interval(resampled: Floats) -> Floats:
    """The 95 % percentile interval [2, columns] of means [resamples, columns]."""
    return np.asarray(np.nanpercentile(resampled, (2.5, 97.5), axis=0), dtype=np.float64)


def _ratio(sums: Floats, counts: Floats) -> Floats:
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
