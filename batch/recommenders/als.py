"""Recommend: implicit ALS over who saw what."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from lambda_arch.clock import DAY
from lambda_arch.recipes import Recommend
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.tiles import MILLION

HALF_LIFE_DAYS = 180  # of a title's popularity
# The blocks' Gram matrices are summed in the order in which they are ready: for two, that changes nothing.
BLOCKS = 2
PARTITIONS = 4  # whatever the machine: their number is part of the order of the sums


def train_recommend(seen: DataFrame, settings: Recommend, seed: int, version: int) -> RecommendModel | None:
    """The item side of an ALS model on (user_id, title_id, time, strength); None where nobody has seen anything."""
    counts = popularity(seen).collect()
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
        popular=[row[title] for title in popular], recent=_recent(counts, row),
    )  # fmt: skip


def popularity(seen: DataFrame) -> DataFrame:
    """(title_id, count, recent): who saw each title, and the same with half the weight for each half-life passed.

    Weights are whole millionths: a night run again, which may sum in another order, must give the same.
    """
    newest = seen.agg(F.max("time").alias("newest"))
    age = (F.col("newest") - F.col("time")) / (HALF_LIFE_DAYS * DAY)
    weight = F.round(F.pow(F.lit(2.0), -age) * MILLION).cast("long")
    counted = seen.join(F.broadcast(newest), how="cross").groupBy("title_id")
    return counted.agg(F.count("*").alias("count"), F.sum(weight).alias("recent"))


def _recent(counts: list[Row], row: dict[str, int]) -> NDArray[np.float32]:
    """As shares of the greatest; at the newest title's moment it is above naught."""
    recent = np.zeros(len(row))
    for count in counts:
        recent[row[count.title_id]] = count.recent
    return np.asarray(recent / recent.max(), dtype=np.float32)


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
