"""Recommendations on every viewer's last fifth: models trained on the first four fifths, by time."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from batch.known import seen_titles
from batch.measures.answers import ndcg
from batch.recommenders.als import train_recommend
from demo.quality import standard_error
from lambda_arch.config import Config
from lambda_arch.features import profile_of_row, profiles
from lambda_arch.lake import Lake
from lambda_arch.scoring import top_titles
from lambda_arch.tables import EVENTS, TITLES

PARTS = 5
CUT = 10


def last_fifth(lake: Lake, config: Config) -> dict[str, Any]:
    """nDCG@10 of the model and of all-time popularity, any rating relevant, titles already seen excluded."""
    known, held_out = _split(lake.read(EVENTS).where(F.col("event_type") == "rating"))
    trained = known.transform(profiles(lake.read(TITLES), config.features.history_limit)).persist()
    model = train_recommend(seen_titles(trained), config.batch.recommend, config.batch.seed, 0)
    if model is None:
        return {}
    relevant = {row.user_id: row.titles for row in held_out.collect()}
    popular = [model.titles[row] for row in model.popular]
    listed, common = [], []
    for row in trained.toArrow().to_pylist():
        history, wanted = profile_of_row(row).lifetime.history, relevant.get(row["user_id"], [])
        if wanted:
            seen = {entry.title for entry in history}
            listed.append(ndcg([title for title, _ in top_titles(model, history, CUT)], wanted))
            common.append(ndcg([title for title in popular if title not in seen], wanted))
    trained.unpersist()
    return {
        "model": round(float(np.mean(listed)), 4),
        "popular": round(float(np.mean(common)), 4),
        "standard_error": round(standard_error(listed), 4),
        "cases": len(listed),
    }


def _split(ratings: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Each viewer's first ratings, and (user_id, titles) of the last fifth (rounded down)."""
    order = Window.partitionBy("user_id").orderBy(F.desc("event_time"), F.desc("title_id"))
    count = F.count("*").over(Window.partitionBy("user_id"))
    placed = ratings.withColumns({"place": F.row_number().over(order), "size": F.floor(count / PARTS)})
    late = (
        placed.where(F.col("place") <= F.col("size")).groupBy("user_id").agg(F.collect_list("title_id").alias("titles"))
    )
    return placed.where(F.col("place") > F.col("size")).drop("place", "size"), late
