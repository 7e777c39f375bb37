"""Recommend: implicit ALS over who saw what."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lambda_arch.models import FoldIn, RecommendModel
from lambda_arch.recipes import Recommend

# The blocks' Gram matrices are summed in the order in which they are ready: for two, that changes nothing.
BLOCKS = 2
PARTITIONS = 4  # whatever the machine: their number is part of the order of the sums


def train_recommend(seen: DataFrame, settings: Recommend, seed: int, version: int) -> RecommendModel | None:
    """The item side of an ALS model on (user_id, title_id, strength); None where nobody has seen anything."""
    counts = seen.groupBy("title_id").count().collect()
    popular = [row.title_id for row in sorted(counts, key=lambda row: (-row["count"], row.title_id))]
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
    items = als.fit(_numbered(seen, titles)).itemFactors.toArrow()
    features = items["features"].combine_chunks().flatten().to_numpy()
    factors[items["id"].to_numpy()] = features.reshape(-1, settings.rank)
    return RecommendModel(
        name="als", version=version, titles=titles, factors=factors, fold_in=FoldIn(**settings.fold_in.model_dump()),
        popular=[row[title] for title in popular],
    )  # fmt: skip


def _numbered(seen: DataFrame, titles: list[str]) -> DataFrame:
    """Whole numbers for users and titles, each user's rows in one partition and each partition in one order: ALS sums
    in the order of its input, and a night run again must give the same factors."""
    numbered = pa.table({"item": pa.array(range(len(titles)), pa.int32()), "title_id": titles})
    numbers = seen.sparkSession.createDataFrame(numbered)
    part = F.pmod(F.xxhash64("user_id"), F.lit(PARTITIONS)).cast("int")
    rows = seen.join(F.broadcast(numbers), on="title_id", how="inner").withColumn("part", part)
    place = F.dense_rank().over(Window.partitionBy("part").orderBy("user_id"))
    user = (place * PARTITIONS + F.col("part")).alias("user")
    parted = rows.repartition(PARTITIONS, "part").select("part", user, "item", "strength")
    return parted.sortWithinPartitions("part", "user", "item").select("user", "item", "strength")
