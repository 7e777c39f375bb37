"""Segment: KMeans over scaled behaviour, with k by silhouette and labels that last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml import Pipeline
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import StandardScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from batch.customers.feature_vectors import Floats, feature_names, matrix, with_vectors
from batch.customers.lasting import Centres, lasting
from batch.customers.usefulness import segment_uses
from batch.known import seen_titles
from batch.selection import Selection, Trial, best_first, side_by_side
from lambda_arch.models import SegmentModel
from lambda_arch.recipes import Segment

POPULAR = 50


@dataclass(frozen=True)
class Viewers:
    """Everyone who has seen a title, in one order: ids, `vectors` [n, features]; `frame` has the vectors as `raw`."""

    features: list[str]
    ids: pa.ChunkedArray
    vectors: Floats
    frame: DataFrame


@dataclass(frozen=True)
class Clusters:
    """KMeans's answer: what scales the features, centres [k, features] in scaled ones, the sum of squared errors."""

    mean: Floats
    scale: Floats
    centres: Floats
    error: float

    def scaled(self, vectors: Floats) -> Floats:
        """The vectors in the centres' space."""
        return np.asarray((vectors - self.mean) / self.scale)

    def nearest(self, vectors: Floats) -> NDArray[np.int64]:
        """The row of each vector's nearest centre."""
        return np.asarray(_squares(self.scaled(vectors), self.centres).argmin(axis=1), dtype=np.int64)


def viewers_of(profiles: DataFrame, horizon: int, settings: Segment) -> Viewers:
    """The viewers as vectors, kept in memory."""
    features = feature_names(profiles, settings.features)
    seen = profiles.where(F.size("lifetime.history") > 0)
    vectors = with_vectors(seen, features, F.lit(horizon), "user_id")
    # One partition in one order: KMeans draws its first centres by position, and a night run again must agree.
    ordered = vectors.repartition(1).sortWithinPartitions("user_id").persist()
    found = ordered.toArrow()
    told = matrix(found["vector"], len(features))
    return Viewers(features, found["user_id"], told, ordered.select(array_to_vector(F.col("vector")).alias("raw")))


def select_segment(profiles: DataFrame, horizon: int, settings: Segment, seed: int) -> Selection[Segment]:
    """The candidate with the highest silhouette; of equals the first. Those with more segments than viewers are out."""
    candidates = settings.candidates()
    viewers = viewers_of(profiles, horizon, candidates[0])
    possible = [candidate for candidate in candidates if len(viewers.ids) > candidate.k]
    if not possible:
        reason = f"{len(viewers.ids)} viewers have seen a title: want more than batch.segment.k = {candidates[0].k}"
        return Selection(candidates[0], reason=reason)
    if len(candidates) == 1:
        return Selection(candidates[0])
    trials = side_by_side(profiles.sparkSession, lambda candidate: _trial(viewers, candidate, seed), possible)
    return best_first(possible, trials)


def train_segment(
    profiles: DataFrame, horizon: int, settings: Segment, seed: int, version: int, previous: SegmentModel | None = None
) -> SegmentModel | None:
    """KMeans on the profiles of everyone who has seen a title; None where they are not more than k.

    Segments that `previous` had keep their numbers, and their names where those are still true.
    """
    viewers = viewers_of(profiles, horizon, settings)
    if len(viewers.ids) <= settings.k:
        return None
    found = clusters(viewers.frame, settings, seed)
    rows = found.nearest(viewers.vectors)
    sizes = np.bincount(rows, minlength=len(found.centres))
    lasted = lasting(Centres(viewers.features, found.mean, found.scale, found.centres, sizes), previous)
    numbers = np.array(lasted.numbers)[np.argsort(lasted.order)][rows]
    return SegmentModel(
        name="kmeans", version=version, features=viewers.features, mean=found.mean, scale=found.scale,
        centres=found.centres[lasted.order], numbers=lasted.numbers, names=lasted.names,
        sizes=sizes[lasted.order].tolist(), popular=_popular(viewers.ids, numbers, profiles, lasted.numbers),
        traits=lasted.traits, given=lasted.given,
        uses=segment_uses(viewers.features, viewers.vectors, rows, previous),
    )  # fmt: skip


def clusters(frame: DataFrame, settings: Segment, seed: int) -> Clusters:
    """The best of several starts on a frame of `raw` vectors, which are scaled to mean 0 and deviation 1."""
    scaler = StandardScaler(inputCol="raw", outputCol="features", withMean=True)
    found = []
    for start in range(settings.starts):
        fit: Any = Pipeline(stages=[scaler, KMeans(k=settings.k, seed=seed + start)]).fit(frame)
        scales, kmeans = fit.stages
        deviation = scales.std.toArray()
        found.append(
            Clusters(
                mean=scales.mean.toArray(), scale=np.where(deviation > 0, deviation, 1.0),
                centres=np.array(kmeans.clusterCenters()), error=float(kmeans.summary.trainingCost),
            )
        )  # fmt: skip
    return min(found, key=lambda one: one.error)


def silhouette(scaled: Floats, rows: NDArray[np.int64]) -> Floats:
    """Of each vector, with squared distances: -1 to 1; 0 alone in its cluster (Rousseeuw 1987; sums as in Spark ML).

    The mean squared distance to a cluster is that to its mean plus the cluster's variance: no pair is looked at.
    """
    kinds, rows = np.unique(rows, return_inverse=True)
    counts = np.bincount(rows)
    means = np.array([scaled[rows == kind].mean(axis=0) for kind in range(len(kinds))])
    variances = np.array([scaled[rows == kind].var(axis=0).sum() for kind in range(len(kinds))])
    apart = _squares(scaled, means) + variances
    own = apart[np.arange(len(rows)), rows] * counts[rows] / np.maximum(1, counts[rows] - 1)
    apart[np.arange(len(rows)), rows] = np.inf
    other = apart.min(axis=1)
    told = (other - own) / np.maximum(np.maximum(own, other), np.finfo(float).tiny)
    return np.asarray(np.where(counts[rows] > 1, told, 0.0))


def _trial(viewers: Viewers, candidate: Segment, seed: int) -> Trial:
    begun = time.monotonic()
    found = clusters(viewers.frame, candidate, seed)
    told = silhouette(found.scaled(viewers.vectors), found.nearest(viewers.vectors))
    metrics = {"silhouette": round(float(told.mean()), 6), "squared_error": round(found.error, 3)}
    error = round(float(told.std(ddof=1) / np.sqrt(len(told))), 6)
    return Trial("kmeans", {"k": candidate.k}, metrics, error, round(time.monotonic() - begun, 2))


def _squares(vectors: Floats, centres: Floats) -> Floats:
    """Squared distances, [vectors, centres]; centre by centre, for all at once would not fit into memory."""
    return np.column_stack([((vectors - centre) ** 2).sum(axis=1) for centre in centres])


def _popular(
    ids: pa.ChunkedArray, numbers: NDArray[np.int64], profiles: DataFrame, wanted: Sequence[int]
) -> list[list[str]]:
    """Per segment, the titles most of its members have seen."""
    told = pa.table({"user_id": ids, "segment": pa.array(numbers)})
    members = profiles.sparkSession.createDataFrame(told)
    seen = members.join(seen_titles(profiles), on="user_id", how="inner").groupBy("segment", "title_id").count()
    best = F.row_number().over(Window.partitionBy("segment").orderBy(F.desc("count"), "title_id"))
    top = seen.withColumn("place", best).where(F.col("place") <= POPULAR).orderBy("segment", "place").collect()
    return [[row.title_id for row in top if row.segment == number] for number in wanted]
