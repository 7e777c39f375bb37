"""Segment: KMeans over scaled behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import StandardScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from batch.recommend import seen_titles
from lambda_arch.features import profile_of_row
from lambda_arch.models import SegmentModel
from lambda_arch.recipes import Segment
from lambda_arch.schemas import ArrowFunction
from lambda_arch.vectors import vectorizer

POPULAR = 50
_VECTORS = pa.schema({"user_id": pa.string(), "vector": pa.list_(pa.float64())})
BEHAVIOUR = ("titles", "mean:rating", "mean:watched", "count:view", "count:search", "count:support")


def segment_features(profiles: DataFrame) -> list[str]:
    """Names of the features that segments are made of: behaviour, and the share of each genre watched."""
    genres = profiles.select(F.explode(F.map_keys("lifetime.genres")).alias("genre")).distinct().orderBy("genre")
    return [*BEHAVIOUR, *(f"genre:{row.genre}" for row in genres.collect())]


def train_segment(profiles: DataFrame, horizon: int, settings: Segment, seed: int, version: int) -> SegmentModel | None:
    """KMeans on the profiles of everyone who has seen a title; None where they are fewer than k."""
    features = segment_features(profiles)
    viewers = profiles.where(F.size("lifetime.history") > 0)
    vectors = viewers.mapInArrow(feature_vectors(features, horizon), "user_id string, vector array<double>")
    # One partition in one order: KMeans draws its first centres by position, and a night run again must agree.
    ordered = vectors.repartition(1).sortWithinPartitions("user_id")
    frame = ordered.select("user_id", array_to_vector(F.col("vector")).alias("raw")).persist()
    if frame.count() < settings.k:
        return None
    scaler = StandardScaler(inputCol="raw", outputCol="features", withMean=True).fit(frame)
    scaled = scaler.transform(frame)
    kmeans = KMeans(k=settings.k, seed=seed).fit(scaled)
    centres = np.array(kmeans.clusterCenters())
    members = kmeans.transform(scaled).select("user_id", F.col("prediction").alias("segment"))
    scale = scaler.std.toArray()
    return SegmentModel(
        name="kmeans", version=version, features=features, mean=scaler.mean.toArray(),
        scale=np.where(scale > 0, scale, 1.0), centres=centres,
        names=[segment_name(features, centre) for centre in centres],
        sizes=_sizes(members, len(centres)), popular=_popular(members, profiles, len(centres)),
    )  # fmt: skip


def feature_vectors(features: Sequence[str], now: int) -> ArrowFunction:
    """Profiles -> (user_id, vector), by the function that also scores."""

    def vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vector = vectorizer(features)
        for batch in batches:
            found = [(row["user_id"], vector(profile_of_row(row), now).tolist()) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pydict(
                {"user_id": [u for u, _ in found], "vector": [v for _, v in found]}, _VECTORS
            )

    return vectors


def segment_name(features: Sequence[str], centre: np.ndarray) -> str:
    """What sets a centre (in scaled features) apart: its two features furthest from the average viewer."""
    furthest = np.argsort(-np.abs(centre), kind="stable")[:2]
    return ", ".join(f"{'more' if centre[number] > 0 else 'less'} {_words(features[number])}" for number in furthest)


def _words(feature: str) -> str:
    kind, _, argument = feature.partition(":")
    return {"mean": f"{argument} on average", "count": f"{argument} events"}.get(kind, argument or kind)


def _sizes(members: DataFrame, segments: int) -> list[int]:
    counts = {row.segment: row["count"] for row in members.groupBy("segment").count().collect()}
    return [counts.get(number, 0) for number in range(segments)]


def _popular(members: DataFrame, profiles: DataFrame, segments: int) -> list[list[str]]:
    """Per segment, the titles most of its members have seen."""
    seen = members.join(seen_titles(profiles), on="user_id", how="inner").groupBy("segment", "title_id").count()
    best = F.row_number().over(Window.partitionBy("segment").orderBy(F.desc("count"), "title_id"))
    top = seen.withColumn("place", best).where(F.col("place") <= POPULAR).orderBy("segment", "place").collect()
    return [[row.title_id for row in top if row.segment == number] for number in range(segments)]
