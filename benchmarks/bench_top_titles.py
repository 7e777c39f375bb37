"""All users' best ten of all titles, without what they have seen, beside Spark's recommendForAllUsers.

The same factors in the same session: implicit ALS, trained on what the users of a made-up service saw (`generate`).
Ours ends the search where no title left is long enough, so its time depends on how long a tail the catalogue has; a
second figure is for factors at random, all of one length, where it must look at every title. Spark's time does not
depend on the values. Spark's list has no filter: whatever a user has seen has to be asked for on top and removed
afterwards, which is not counted here. What agrees is compared without the filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, at_most, reported
from benchmarks.timing import in_turns, ratios
from generate.pipeline import generate
from generate.plan import START, Plan
from lambda_arch.ranking import best_rows
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.schemas import ArrowFunction

EVENTS, USERS, TITLES, DAYS, SEED = 6_000_000, 110_000, 20_000, 90, 1
RANK, ITERATIONS, BEST = 64, 3, 10
ROUNDS, COMPARED = 5, 1_000
LISTS = "user int, titles array<int>, scores array<double>"
_LISTS = pa.schema([("user", pa.int32()), ("titles", pa.list_(pa.int32())), ("scores", pa.list_(pa.float64()))])


def rows(ground: Ground) -> list[Row]:
    """Times of both, their ratio, and how far the scores lie apart."""
    seen = _seen(ground).persist()
    trained, asked = _asked(seen, ITERATIONS)
    random, drawn = _asked(seen, 0)
    model, unpruned = _as_ours(trained), _as_ours(random)
    spark, ours, worst = in_turns(
        ROUNDS,
        lambda: _finish(trained.recommendForAllUsers(BEST)),
        lambda: _finish(asked.mapInArrow(best_lists(model), LISTS)),
        lambda: _finish(drawn.mapInArrow(best_lists(unpruned), LISTS)),
    )
    users = asked.count()
    size = f"{users:,} users, {TITLES:,} titles, rank {RANK}, {ground.config.spark.master}"
    return [
        at_least(20, "top ten of all users", ratios(spark, ours), "times", f"Spark's recommendForAllUsers; {size}"),
        reported("top ten of all users, factors at random", ratios(spark, worst), "times", "the same"),
        reported("top ten of all users, history filtered", [users / taken for taken in ours], "users/s", "ours"),
        reported("top ten of all users, not filtered", [users / taken for taken in spark], "users/s", "Spark"),
        at_most(1e-5, "top ten, largest difference", [_difference(trained, model, asked)], "score", "Spark, no filter"),
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


def _seen(ground: Ground) -> DataFrame:
    """(user, seen): the distinct titles that each user of a made-up service saw, as numbers."""
    folder = Path(ground.config.paths.lake).parent / "service"
    generate(Plan(EVENTS, USERS, TITLES, DAYS, START, SEED, 0), folder, False, lambda _: None)
    events = ground.spark.read.parquet(str(folder / "events"))
    saw = events.where(F.col("event_type").isin("view", "rating", "list_add"))
    user, title = (F.substring_index(name, "-", -1).cast("int") for name in ("user_id", "title_id"))
    return saw.groupBy(user.alias("user")).agg(F.collect_set(title).alias("seen"))


def _asked(seen: DataFrame, iterations: int) -> tuple[ALSModel, DataFrame]:
    """A model, and (user, features, seen) of all its users, in memory."""
    model = _als(seen, iterations)
    asked = model.userFactors.withColumnRenamed("id", "user").join(seen, on="user", how="inner").persist()
    asked.count()
    return model, asked


def _als(seen: DataFrame, iterations: int) -> ALSModel:
    ratings = seen.select("user", F.explode("seen").alias("item"), F.lit(1.0).alias("rating"))
    return ALS(rank=RANK, maxIter=iterations, implicitPrefs=True, alpha=2.0, seed=SEED).fit(ratings)


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
