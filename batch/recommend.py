"""Recommend: implicit ALS over who saw what."""

from __future__ import annotations

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lambda_arch.models import FoldIn, RecommendModel
from lambda_arch.recipes import Recommend
from lambda_arch.tiles import MILLION

BLOCKS = 2


def seen_titles(profiles: DataFrame) -> DataFrame:
    """Profiles -> (user_id, title_id, strength), strength as a fraction; unique per user and title."""
    seen = profiles.select("user_id", F.explode("lifetime.history").alias("seen"))
    strength = (F.col("seen.strength") / MILLION).alias("strength")
    return seen.select("user_id", F.col("seen.title").alias("title_id"), strength)


def train_recommend(seen: DataFrame, settings: Recommend, seed: int, version: int) -> RecommendModel | None:
    """The item side of an ALS model on (user_id, title_id, strength); None where nobody has seen anything."""
    by_popularity = seen.groupBy("title_id").count().orderBy(F.desc("count"), "title_id")
    popular = [row.title_id for row in by_popularity.collect()]
    if not popular:
        return None
    titles = sorted(popular)
    row = {title: number for number, title in enumerate(titles)}
    als = ALS(
        rank=settings.rank, regParam=settings.reg, alpha=settings.alpha, maxIter=settings.iterations,
        implicitPrefs=True, numUserBlocks=BLOCKS, numItemBlocks=BLOCKS, seed=seed,
        userCol="user", itemCol="item", ratingCol="strength",
    )  # fmt: skip
    factors = np.zeros((len(titles), settings.rank), dtype=np.float32)
    for item in als.fit(_numbered(seen, titles)).itemFactors.collect():
        factors[item.id] = item.features
    return RecommendModel(
        name="als", version=version, titles=titles, factors=factors, fold_in=FoldIn(**settings.fold_in.model_dump()),
        popular=[row[title] for title in popular],
    )  # fmt: skip


def _numbered(seen: DataFrame, titles: list[str]) -> DataFrame:
    """Whole numbers for users and titles, in one order: ALS sums in the order of its input, and a night run again
    must give the same factors."""
    numbers = seen.sparkSession.createDataFrame(list(enumerate(titles)), "item int, title_id string")
    users = F.dense_rank().over(Window.orderBy("user_id")).alias("user")
    joined = seen.join(F.broadcast(numbers), on="title_id", how="inner").select(users, "item", "strength")
    return joined.repartition(1).sortWithinPartitions("user", "item")
