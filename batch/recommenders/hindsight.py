"""Recommenders compared in hindsight: each viewer's earlier titles are known, the later ones are what they saw next."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.known import seen_titles
from batch.measures.answers import CUT, ndcg, recall
from batch.recommenders.als import train_recommend
from batch.recommenders.baselines import recommend_baselines
from batch.selection import Selection, Trial, side_by_side
from lambda_arch.recipes import Recommend
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.schemas import Transform
from lambda_arch.scoring import top_titles_many
from lambda_arch.tiles import Seen

KNOWN_SHARE = 0.7
LEAST_TITLES = 5
VIEWERS = 2_000  # compared at the most: by then the standard error is below 0.005


class Hindsight(NamedTuple):
    """Of each viewer the titles that were known, newest first, and those seen later."""

    known: list[list[Seen]]
    later: list[list[str]]


def select_recommend(profiles: DataFrame, settings: Recommend, seed: int) -> Selection[Recommend]:
    """The candidate that ranks best what viewers saw next, with the baselines beside it.

    The first 70 % of each viewer's titles are known to all; ties go to the candidate named first. Where no viewer has
    enough titles to tell, the settings themselves are chosen.
    """
    candidates = settings.candidates()
    if len(candidates) == 1:
        return Selection(candidates[0])
    viewers = hindsight(profiles)
    if not viewers.known:
        return Selection(settings.model_copy(update={"grid": {}}))
    seen = seen_titles(profiles.transform(earlier_titles())).persist()
    try:
        return _compared(seen, viewers, candidates, seed)
    finally:
        seen.unpersist()


def earlier_titles() -> Transform:
    """Profiles whose history has only the earlier titles."""
    history = F.col("lifetime.history")
    known = F.slice(history, F.size(history) - _known_count() + 1, _known_count())
    return lambda profiles: profiles.where(_known_count() > 0).withColumn(
        "lifetime", F.col("lifetime").withField("history", known)
    )


def hindsight(profiles: DataFrame) -> Hindsight:
    """Viewers drawn by their hash, among those with enough titles to tell."""
    judged = profiles.where(F.size("lifetime.history") >= LEAST_TITLES).orderBy(F.xxhash64("user_id")).limit(VIEWERS)
    rows = judged.select("lifetime.history", _known_count().alias("known")).toArrow().to_pylist()
    histories = [([Seen(**seen) for seen in row["history"]], len(row["history"]) - row["known"]) for row in rows]
    return Hindsight(
        known=[history[later:] for history, later in histories],
        later=[[seen.title for seen in history[:later]] for history, later in histories],
    )


def measured(
    lists: Sequence[Sequence[str]], later: Sequence[Sequence[str]], titles: int
) -> tuple[dict[str, float], float]:
    """nDCG@10, recall@10 and coverage (the share of titles that are listed to anybody), and the first's error."""
    gains = [ndcg(listed, wanted) for listed, wanted in zip(lists, later, strict=True)]
    found = [recall(listed, wanted) for listed, wanted in zip(lists, later, strict=True)]
    coverage = len({title for listed in lists for title in listed[:CUT]}) / titles
    metrics = {"ndcg@10": float(np.mean(gains)), "recall@10": float(np.mean(found)), "coverage": coverage}
    error = float(np.std(gains, ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else 1.0
    return {name: round(value, 6) for name, value in metrics.items()}, round(error, 6)


def _known_count() -> Column:
    return F.floor(F.size("lifetime.history") * KNOWN_SHARE).cast("int")


def _compared(seen: DataFrame, viewers: Hindsight, candidates: list[Recommend], seed: int) -> Selection[Recommend]:
    def trials_of(group: list[Recommend]) -> list[tuple[Recommend, Trial]]:
        begun = time.monotonic()
        model = train_recommend(seen, group[0], seed, 0)
        trained_in = time.monotonic() - begun
        return [(one, _trial(one, model, viewers, trained_in)) for one in group] if model else []

    groups = side_by_side(seen.sparkSession, trials_of, _sharing_als(candidates))
    found = [pair for pairs in groups for pair in pairs]
    best_first = sorted(found, key=lambda pair: (-pair[1].metrics["ndcg@10"], candidates.index(pair[0])))
    return Selection(best_first[0][0], (*(trial for _, trial in best_first), *_baseline_trials(seen, viewers)))


def _sharing_als(candidates: Iterable[Recommend]) -> list[list[Recommend]]:
    """Candidates that differ in nothing but how viewers are folded in."""
    found: dict[str, list[Recommend]] = {}
    for settings in candidates:
        found.setdefault(settings.model_dump_json(exclude={"fold_in", "grid"}), []).append(settings)
    return list(found.values())


def _trial(settings: Recommend, model: RecommendModel, viewers: Hindsight, trained_in: float) -> Trial:
    begun = time.monotonic()
    answering = msgspec.structs.replace(model, fold_in=FoldIn(**settings.fold_in.model_dump()))
    lists = [[title for title, _ in best] for best in top_titles_many(answering, viewers.known, CUT)]
    metrics, error = measured(lists, viewers.later, len(model.titles))
    seconds = round(trained_in + time.monotonic() - begun, 2)
    return Trial("als", settings.model_dump(exclude={"grid"}), metrics, error, seconds)


def _baseline_trials(seen: DataFrame, viewers: Hindsight) -> list[Trial]:
    begun = time.monotonic()
    baselines = recommend_baselines(seen)
    if baselines is None:
        return []
    answers = [baselines.lists(history, CUT) for history in viewers.known]
    seconds = round(time.monotonic() - begun, 2)
    titles = len(baselines.titles)
    found = {name: measured([lists[name] for lists in answers], viewers.later, titles) for name in answers[0]}
    return [Trial(name, {}, metrics, error, seconds) for name, (metrics, error) in found.items()]
