"""All users' best ten of all titles, without what they have seen, beside Spark's recommendForAllUsers.

The same factors in the same session: the random ones that ALS starts from, for neither side's time depends on their
values. Spark's list has no filter: whatever a user has seen has to be asked for on top and removed afterwards, which
is not counted here. What agrees is compared without the filter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, at_most, reported
from benchmarks.timing import in_turns, ratios
from lambda_arch.models import FoldIn, RecommendModel
from lambda_arch.ranking import best_rows
from lambda_arch.schemas import ArrowFunction

USERS, TITLES, RANK, SEEN, BEST = 100_000, 20_000, 64, 35, 10
ROUNDS, COMPARED = 3, 1_000
LISTS = "user int, titles array<int>, scores array<double>"
_LISTS = pa.schema([("user", pa.int32()), ("titles", pa.list_(pa.int32())), ("scores", pa.list_(pa.float64()))])


def rows(ground: Ground) -> list[Row]:
    """Times of both, their ratio, and how far the scores lie apart."""
    seen = _seen(ground.spark).persist()
    spark_model = _untrained(seen)
    model = _as_ours(spark_model)
    asked = spark_model.userFactors.withColumnRenamed("id", "user").join(seen, on="user", how="inner").persist()
    asked.count()
    spark, ours = in_turns(
        ROUNDS,
        lambda: _finish(spark_model.recommendForAllUsers(BEST)),
        lambda: _finish(asked.mapInArrow(best_lists(model), LISTS)),
    )
    size = f"{USERS:,} users, {TITLES:,} titles, rank {RANK}, {ground.config.spark.master}"
    return [
        at_least(20, "top ten of all users", ratios(spark, ours), "times", f"Spark's recommendForAllUsers; {size}"),
        reported("top ten of all users, history filtered", [USERS / taken for taken in ours], "users/s", "ours"),
        reported("top ten of all users, not filtered", [USERS / taken for taken in spark], "users/s", "Spark"),
        at_most(
            1e-5, "top ten, largest difference", [_difference(spark_model, model, asked)], "score", "Spark, no filter"
        ),
    ]


def best_lists(model: RecommendModel) -> ArrowFunction:
    """(user, features, seen) -> (user, titles, scores): the best that are not among the seen."""

    def lists(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            users = batch.column("features").values.to_numpy().reshape(-1, RANK).astype(np.float64)
            best = best_rows(model, users, batch.column("seen").to_pylist(), BEST)
            columns = [batch.column("user"), [found.rows for found in best], [found.scores for found in best]]
            yield pa.RecordBatch.from_arrays(
                [pa.array(column, field.type) for column, field in zip(columns, _LISTS, strict=True)], schema=_LISTS
            )

    return lists


def _seen(spark: SparkSession) -> DataFrame:
    """(user, seen): distinct titles, and each title by someone."""
    drawn = F.transform(F.sequence(F.lit(1), F.lit(SEEN)), lambda place: F.pmod(F.xxhash64("id", place), F.lit(TITLES)))
    own = F.array_append(drawn.cast("array<int>"), F.pmod("id", F.lit(TITLES)).cast("int"))
    return spark.range(USERS).select(F.col("id").cast("int").alias("user"), F.array_distinct(own).alias("seen"))


def _untrained(seen: DataFrame) -> ALSModel:
    ratings = seen.select("user", F.explode("seen").alias("item"), F.lit(1.0).alias("rating"))
    return ALS(rank=RANK, maxIter=0, seed=1).fit(ratings)


def _as_ours(model: ALSModel) -> RecommendModel:
    factors = np.zeros((TITLES, RANK), dtype=np.float32)
    for row in model.itemFactors.collect():
        factors[row.id] = row.features
    return RecommendModel("als", 1, [str(row) for row in range(TITLES)], factors, FoldIn(1.0, 1.0), [])


def _difference(spark_model: ALSModel, model: RecommendModel, asked: DataFrame) -> float:
    """The largest between the scores at the same place of the same user's lists."""
    some = asked.where(F.col("user") < COMPARED)
    theirs = spark_model.recommendForUserSubset(some.select("user"), BEST).collect()
    unfiltered = some.withColumn("seen", F.array().cast("array<int>"))
    ours = {row.user: row.scores for row in unfiltered.mapInArrow(best_lists(model), LISTS).collect()}
    differences: list[float] = [
        abs(left.rating - right)
        for row in theirs
        for left, right in zip(row.recommendations, ours[row.user], strict=True)
    ]
    return max(differences)


def _finish(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()
