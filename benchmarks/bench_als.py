"""Implicit ALS on MovieLens: the time to the nDCG@10 that pyspark.ml's defaults reach, ours and `implicit`'s beside it.

Every viewer's last fifth is left for the quality suite; of what is before it, the last fifth is what is judged here.
Ours and `implicit` try the same ranks and iterations, least work first, and each is timed at the first that reaches
the defaults' nDCG. Ours is the night's own function from (user, title, strength) to a model in memory, the numbering
and the layout of the rows included; the others get numbered rows for nothing, in memory. Each answers in its own way:
ours by the fold-in, the others by the user factors that they trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product, starmap
from typing import Any, NamedTuple

import numpy as np
from implicit.als import AlternatingLeastSquares
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from batch.measures.answers import ndcg
from batch.recommenders.als import train_recommend
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from benchmarks.timing import in_turns, ratios
from lambda_arch.recipes import Recommend
from lambda_arch.recommend_model import Array, RecommendModel
from lambda_arch.scoring import top_titles_many
from lambda_arch.tables import EVENTS
from lambda_arch.tiles import MILLION, Seen

RANKS, ITERATIONS = (16, 32, 64), (1, 2, 3, 5)
ROUNDS, SEED, PARTS, CUT = 5, 1, 5, 10
Lists = Sequence[Sequence[str]]


class Viewers(NamedTuple):
    """Histories, newest first, and what each viewer saw next; the same as (user, item, strength), numbered."""

    histories: list[list[Seen]]
    coming: list[list[str]]
    titles: list[str]
    numbered: Array

    def ndcg(self, lists: Lists) -> float:
        """The mean of nDCG@10."""
        return float(np.mean([ndcg(listed, coming) for listed, coming in zip(lists, self.coming, strict=True)]))

    def ndcg_of(self, users: Array, items: Array) -> float:
        """The same for trained factors of users and items."""
        scores = users @ items.T
        scores[self.numbered[:, 0].astype(int), self.numbered[:, 1].astype(int)] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :CUT]
        return self.ndcg([[self.titles[row] for row in rows] for rows in best])


class Setting(NamedTuple):
    """What was tried."""

    rank: int
    iterations: int


def rows(ground: Ground) -> list[Row]:
    """Ratios of the times to equal nDCG@10, and the times with what they reach."""
    viewers, recipe = _viewers(ground.lake.read(EVENTS)), ground.config.batch.recommend
    numbered = ground.spark.createDataFrame(viewers.numbered.tolist(), "user double, item double, strength double")
    defaults = numbered.select(F.col("user").cast("int"), F.col("item").cast("int"), "strength").persist()
    seen = _seen(ground, viewers).persist()
    defaults.count()
    seen.count()
    reached = viewers.ndcg_of(*_defaults(defaults))
    ours = _least(reached, lambda tried: _ours(seen, recipe, tried), lambda model: viewers.ndcg(_lists(model, viewers)))
    other = _least(reached, lambda tried: _implicit(viewers, recipe, tried), lambda found: viewers.ndcg_of(*found))
    spark_taken, our_taken, other_taken = in_turns(
        ROUNDS,
        lambda: _defaults(defaults),
        lambda: _ours(seen, recipe, ours),
        lambda: _implicit(viewers, recipe, other),
    )
    equal = f"nDCG@10 ≥ {reached:.4f}"
    return [
        at_least(
            2, "ALS to equal nDCG@10", ratios(spark_taken, our_taken), "times as fast", "pyspark.ml ALS, its defaults"
        ),
        reported("ALS to equal nDCG@10", ratios(other_taken, our_taken), "times as fast", "implicit"),
        reported("ALS, pyspark.ml's defaults", spark_taken, "s", f"nDCG@10 {reached:.4f}"),
        reported("ALS, ours", our_taken, "s", f"{equal}, rank {ours.rank}, {ours.iterations} iterations"),
        reported("ALS, implicit", other_taken, "s", f"{equal}, rank {other.rank}, {other.iterations} iterations"),
    ]


def _least(reached: float, train: Callable[[Setting], Any], judge: Callable[[Any], float]) -> Setting:
    """The first setting that reaches the nDCG, in the order of the work it takes; the last where none does."""
    tried = sorted(starmap(Setting, product(RANKS, ITERATIONS)), key=lambda setting: setting.rank * setting.iterations)
    return next((setting for setting in tried if judge(train(setting)) >= reached), tried[-1])


def _defaults(numbered: DataFrame) -> tuple[Array, Array]:
    als = ALS(implicitPrefs=True, userCol="user", itemCol="item", ratingCol="strength", seed=SEED)
    model = als.fit(numbered)
    return _dense(model.userFactors), _dense(model.itemFactors)


def _dense(factors: DataFrame) -> Array:
    table = factors.orderBy("id").toArrow()
    return np.array(table["features"].to_pylist())


def _ours(seen: DataFrame, recipe: Recommend, tried: Setting) -> RecommendModel | None:
    return train_recommend(seen, recipe.model_copy(update=tried._asdict()), SEED, 0)


def _lists(model: RecommendModel, viewers: Viewers) -> Lists:
    return [[title for title, _ in best] for best in top_titles_many(model, viewers.histories, CUT)]


def _implicit(viewers: Viewers, recipe: Recommend, tried: Setting) -> tuple[Array, Array]:
    user, item, strength = viewers.numbered.T
    model = AlternatingLeastSquares(
        factors=tried.rank,
        iterations=tried.iterations,
        alpha=recipe.alpha,
        regularization=recipe.reg,
        random_state=SEED,
    )
    model.fit(csr_matrix((strength, (user.astype(int), item.astype(int)))), show_progress=False)
    return model.user_factors, model.item_factors


def _seen(ground: Ground, viewers: Viewers) -> DataFrame:
    rows = [
        (f"{user:.0f}", viewers.titles[int(item)], 0, strength) for user, item, strength in viewers.numbered.tolist()
    ]
    return ground.spark.createDataFrame(rows, "user_id string, title_id string, time long, strength double")


def _viewers(events: DataFrame) -> Viewers:
    """The last fifth of everyone's ratings is dropped; of the rest, the last fifth is what comes."""
    ratings = events.where(F.col("event_type") == "rating").orderBy("user_id", "event_time", "title_id")
    by_user: dict[str, list[tuple[str, float]]] = {}
    for row in ratings.select("user_id", "title_id", "value").collect():
        by_user.setdefault(row.user_id, []).append((row.title_id, row.value / 5))
    early = [rated[: len(rated) - len(rated) // PARTS] for rated in by_user.values()]
    cuts = [len(rated) - len(rated) // PARTS for rated in early]
    known = [rated[:cut] for rated, cut in zip(early, cuts, strict=True)]
    titles = sorted({title for rated in known for title, _ in rated})
    number = {title: place for place, title in enumerate(titles)}
    return Viewers(
        histories=[[Seen(0, 0, title, round(share * MILLION)) for title, share in rated[::-1]] for rated in known],
        coming=[[title for title, _ in rated[cut:]] for rated, cut in zip(early, cuts, strict=True)],
        titles=titles,
        numbered=np.array([(user, number[title], share) for user, rated in enumerate(known) for title, share in rated]),
    )
