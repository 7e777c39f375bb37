"""Recommendations on MovieLens: every viewer's last fifth, viewers nobody knew, and all that comes after a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from batch.known import seen_titles
from batch.measures.answers import ndcg
from batch.recommenders.als import train_recommend
from batch.recommenders.baselines import recommend_baselines
from batch.recommenders.hindsight import select_recommend
from benchmarks.ground import Ground
from benchmarks.rivals import CUT, Floats, chosen, ease_grid, implicit_als, ndcg_of
from benchmarks.rows import Row, above, at_least, reported
from benchmarks.viewers import cases_of, first_titles, histories, in_order, last_fifth, profiles_of
from lambda_arch.recipes import Recommend
from lambda_arch.scoring import top_titles_many
from lambda_arch.tiles import Seen

LEAST = 0.154
REVEALED, PROMISED = (1, 2, 5, 10), 5
# What of the later titles is relevant. MovieLens' viewers rate some twenty titles within minutes, as its pages list
# them: what comes next tells the order of a page, all that comes later tells the viewer's taste.
SCOPES = {"next 10 titles": 10, "all later titles": None}
HORIZONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # shares of the log; new viewers are those who come until the next
RESAMPLES = 10_000
UNIT = "nDCG@10"
Lists = list[list[str]]


def rows(ground: Ground) -> list[Row]:
    """nDCG@10 against what viewers saw later, any rating relevant, titles already seen excluded."""
    ratings = in_order(ground.sources.ratings)
    early, late = last_fifth(ratings)
    batch = ground.config.batch
    recipe = select_recommend(profiles_of(ground.spark, early), batch.recommend, batch.seed).chosen
    judge = Judge(ground.spark, recipe, batch.seed)
    return [*_last_fifth(judge, early, late), *_new_viewers(judge, ratings), *_after_a_moment(judge, ratings)]


class Judge:
    """Trains with the chosen settings and asks everybody the same."""

    def __init__(self, spark: SparkSession, recipe: Recommend, seed: int) -> None:
        self._spark, self._recipe, self._seed = spark, recipe, seed

    def lists(self, known: pd.DataFrame, asked: Sequence[list[Seen]]) -> dict[str, Lists]:
        """The ten best for each history, by who answers: the model trained on what is known, and the baselines."""
        seen = seen_titles(profiles_of(self._spark, known)).persist()
        model = train_recommend(seen, self._recipe, self._seed, 0)
        baselines = recommend_baselines(seen)
        seen.unpersist()
        if model is None or baselines is None:
            raise ValueError("nobody has seen anything")
        ours = [[title for title, _ in listed] for listed in top_titles_many(model, asked, CUT)]
        others = [baselines.lists(history, CUT) for history in asked]
        return {"ours": ours} | {name: [lists[name] for lists in others] for name in others[0]}


def judged(lists: Mapping[str, Lists], later: Sequence[Sequence[str]]) -> dict[str, Floats]:
    """nDCG@10 of each list, by who answered."""
    return {
        name: np.array([ndcg(listed, titles) for listed, titles in zip(told, later, strict=True)])
        for name, told in lists.items()
    }


def _last_fifth(judge: Judge, early: pd.DataFrame, late: pd.DataFrame) -> Iterator[Row]:
    cases = list(cases_of(early, late).values())
    values = judged(judge.lists(early, [case.history for case in cases]), [case.later for case in cases])
    told = dict.fromkeys(values, "")
    for name, grid in {"implicit ALS": implicit_als(), "EASE": ease_grid()}.items():
        settings, rival = chosen(grid, early)
        values[name], told[name] = ndcg_of(rival, early, late), f"; {settings}"
    ours = values.pop("ours")
    what, count = "recommend: last fifth", f"{len(ours)} viewers, ± {error(ours):.4f}"
    yield at_least(LEAST, f"{what}, ours", [float(ours.mean())], UNIT, count)
    for name, of in values.items():
        gain = f"ours is better by {np.mean(ours - of):.4f} ± {error(ours - of):.4f}{told[name]}"
        yield reported(f"{what}, {name}", [float(of.mean())], UNIT, gain)


def _new_viewers(judge: Judge, ratings: pd.DataFrame) -> Iterator[Row]:
    """Viewers who come after a horizon, with their first titles revealed; the models know what lies before it."""
    begins = ratings.groupby("user_id")["time"].transform("min")
    moments = [int(ratings["time"].quantile(share, interpolation="lower")) for share in HORIZONS]
    found: dict[tuple[str, int], list[dict[str, Floats]]] = {}
    for horizon, until in pairwise([*moments, int(ratings["time"].max()) + 1]):
        came = list(histories(ratings[(begins >= horizon) & (begins < until)]).values())
        asked = [(revealed, first_titles(viewer, revealed)) for revealed in REVEALED for viewer in came]
        told = judge.lists(ratings[ratings["time"] < horizon], [case.history for _, case in asked])
        for scope, most in SCOPES.items():
            values = judged(told, [case.later[:most] for _, case in asked])
            for place, revealed in enumerate(REVEALED):
                own = slice(place * len(came), (place + 1) * len(came))
                found.setdefault((scope, revealed), []).append({name: of[own] for name, of in values.items()})
    for (scope, revealed), parts in found.items():
        values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        yield from gain_rows(f"recommend: new viewers, {revealed} known, {scope}", values, revealed == PROMISED)


def gain_rows(what: str, values: Mapping[str, Floats], promised: bool) -> list[Row]:
    """The model's nDCG@10, and its gain over recent popularity with a 95 % interval, by bootstrap over viewers."""
    gain = values["ours"] - values["recently_popular"]
    low, high = interval(gain)
    others = ", ".join(f"{name} {np.mean(of):.4f}" for name, of in values.items() if name != "ours")
    told = f"over recently_popular, 95 % interval {low:.4f} to {high:.4f}"
    found = [
        reported(what, [float(values["ours"].mean())], UNIT, f"{len(gain)} viewers; {others}"),
        reported(f"{what}: gain", [float(gain.mean())], UNIT, told),
    ]
    return [*found, above(0, f"{what}: gain's lower end", [low], UNIT)] if promised else found


def interval(values: Floats) -> tuple[float, float]:
    """The 95 % interval of the mean."""
    chance = np.random.default_rng(1)
    means = values[chance.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def error(values: Floats) -> float:
    """The standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _after_a_moment(judge: Judge, ratings: pd.DataFrame) -> list[Row]:
    """The last tenth of the log: so few of its viewers are known before it that models cannot be ranked by it."""
    moment = int(ratings["time"].quantile(0.9, interpolation="lower"))
    early, late = ratings[ratings["time"] < moment], ratings[ratings["time"] >= moment]
    cases = list(cases_of(early, late).values())
    values = judged(judge.lists(early, [case.history for case in cases]), [case.later for case in cases])
    what, count = "recommend: last tenth of the log", f"{len(cases)} viewers"
    return [
        reported(f"{what}, {name}", [float(of.mean())], UNIT, f"{count}, ± {error(of):.3f}")
        for name, of in values.items()
    ]
