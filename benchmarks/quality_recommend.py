"""Recommendations on MovieLens: every viewer's last fifth, viewers nobody knew, and all that comes after a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from batch.known import seen_titles
from batch.measures.answers import ndcg
from batch.recommenders.als import train_recommend
from batch.recommenders.baselines import recommend_baselines
from batch.recommenders.hindsight import select_recommend
from benchmarks.ground import Ground
from benchmarks.rows import Row, at_least, reported
from lambda_arch.clock import SECOND
from lambda_arch.recipes import Recommend
from lambda_arch.schemas import SEEN
from lambda_arch.scoring import top_titles_many
from lambda_arch.tiles import MILLION, Seen

CUT = 10
NEXT = 10
REVEALED = (1, 2, 5, 10)
HORIZONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # shares of the log; new viewers are those who come until the next
RESAMPLES = 10_000
Floats = NDArray[np.float64]


class Case(NamedTuple):
    """What a viewer is known to have seen, newest first, and what they saw next."""

    history: list[Seen]
    later: list[str]


def rows(ground: Ground) -> list[Row]:
    """nDCG@10 against what viewers saw next, any rating relevant, titles already seen excluded."""
    ratings = in_order(ground.sources.ratings)
    place = ratings.groupby("user_id").cumcount()
    size = ratings.groupby("user_id")["title_id"].transform("size")
    early = ratings[place < size - size // 5]
    batch = ground.config.batch
    chosen = select_recommend(histories_frame(ground.spark, early), batch.recommend, batch.seed).chosen
    judge = Judge(ground.spark, chosen, batch.seed)
    return [
        *_last_fifth(judge, early, ratings[place >= size - size // 5]),
        *_new_viewers(judge, ratings),
        *_after_a_moment(judge, ratings),
    ]


class Judge:
    """Trains with the chosen settings and asks everybody the same."""

    def __init__(self, spark: SparkSession, settings: Recommend, seed: int) -> None:
        self._spark, self._settings, self._seed = spark, settings, seed

    def values(self, known: pd.DataFrame, cases: Sequence[Case]) -> dict[str, Floats]:
        """nDCG@10 of each case, by who answered: the model trained on what is known, and the baselines."""
        seen = seen_titles(histories_frame(self._spark, known)).persist()
        model = train_recommend(seen, self._settings, self._seed, 0)
        baselines = recommend_baselines(seen)
        seen.unpersist()
        if model is None or baselines is None:
            raise ValueError("nobody has seen anything")
        best = top_titles_many(model, [case.history for case in cases], CUT)
        answers = [
            {"model": [title for title, _ in listed]} | baselines.lists(case.history, CUT)
            for listed, case in zip(best, cases, strict=True)
        ]
        return {
            name: np.array([ndcg(said[name], case.later) for said, case in zip(answers, cases, strict=True)])
            for name in answers[0]
        }


def in_order(ratings: pd.DataFrame) -> pd.DataFrame:
    """(user_id, title_id, time, strength) in each viewer's order of time."""
    seen = pd.DataFrame(
        {
            "user_id": ratings["userId"].astype(str),
            "title_id": ratings["movieId"].astype(str),
            "time": ratings["timestamp"].astype("int64") * SECOND,
            "strength": (ratings["rating"] / 5 * MILLION).round().astype("int64"),
        }
    )
    return seen.sort_values(["user_id", "time", "title_id"]).reset_index(drop=True)


def histories(ratings: pd.DataFrame) -> dict[str, list[Seen]]:
    """Each viewer's titles, newest first."""
    return {
        str(user): [Seen(int(row.time), 0, row.title_id, int(row.strength)) for row in seen.itertuples()][::-1]
        for user, seen in ratings.groupby("user_id")
    }


def histories_frame(spark: SparkSession, ratings: pd.DataFrame) -> DataFrame:
    """What selection and training read of profiles."""
    found = [
        (user, ([tuple(getattr(seen, name) for name in SEEN.names) for seen in history],))
        for user, history in histories(ratings).items()
    ]
    return spark.createDataFrame(found, f"user_id string, lifetime struct<history: array<{SEEN.simpleString()}>>")


def _last_fifth(judge: Judge, early: pd.DataFrame, late: pd.DataFrame) -> list[Row]:
    known = histories(early)
    later = late.groupby("user_id")["title_id"].agg(list)
    cases = [Case(known[user], titles) for user, titles in later.items()]
    values = judge.values(early, cases) | {"implicit": _implicit(early, later)}
    model = values.pop("model")
    against = (
        f"{', '.join(f'{name} {np.mean(of):.3f}' for name, of in values.items())}; standard error {_error(model):.3f}"
    )
    return [
        at_least(0.154, "recommend: last fifth, nDCG@10", [float(model.mean())], f"of {len(cases)} viewers", against)
    ]


def _new_viewers(judge: Judge, ratings: pd.DataFrame) -> list[Row]:
    """Viewers who come after a horizon, with their first titles revealed; the models know what lies before it."""
    found: dict[int, list[dict[str, Floats]]] = {revealed: [] for revealed in REVEALED}
    begins = ratings.groupby("user_id")["time"].transform("min")
    ends = [int(ratings["time"].quantile(share, interpolation="lower")) for share in HORIZONS]
    for horizon, until in zip(ends, [*ends[1:], int(ratings["time"].max()) + 1], strict=True):
        new = histories(ratings[(begins >= horizon) & (begins < until)])
        asked = [
            (revealed, Case(viewer[-revealed:], [seen.title for seen in viewer[-revealed - NEXT : -revealed]][::-1]))
            for viewer in new.values()
            for revealed in REVEALED
            if len(viewer) >= revealed + NEXT
        ]
        cases = [case for _, case in asked]
        values = judge.values(ratings[ratings["time"] < horizon], cases)
        for revealed in REVEALED:
            of = [place for place, (count, _) in enumerate(asked) if count == revealed]
            found[revealed].append({name: answers[of] for name, answers in values.items()})
    return [row for revealed, parts in found.items() for row in _gain(revealed, parts)]


def _gain(revealed: int, parts: Sequence[dict[str, Floats]]) -> list[Row]:
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    gain = values["model"] - values["recently_popular"]
    chance = np.random.default_rng(revealed)
    means = gain[chance.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    name = f"recommend: new viewers, {revealed} titles known"
    against = ", ".join(f"{name} {np.mean(of):.3f}" for name, of in values.items() if name != "model")
    unit = f"of {len(gain)} viewers"
    found = reported(f"{name}, nDCG@10", [float(values["model"].mean())], unit, against)
    lower, told = f"{name}, gain over recent popularity", f"95 % interval {low:.4f} to {high:.4f}"
    if revealed == 5:
        return [found, at_least(0, f"{lower}, lower end", [float(low)], unit, told)]
    return [found, reported(lower, [float(gain.mean())], unit, told)]


def _after_a_moment(judge: Judge, ratings: pd.DataFrame) -> list[Row]:
    """The last tenth of the log: so few of its viewers are known before it that models cannot be ranked by it."""
    moment = int(ratings["time"].quantile(0.9, interpolation="lower"))
    early, late = ratings[ratings["time"] < moment], ratings[ratings["time"] >= moment]
    known = histories(early)
    cases = [Case(known[str(user)], list(seen)) for user, seen in late.groupby("user_id")["title_id"] if user in known]
    values = judge.values(early, cases)
    told = {name: f"standard error {_error(of):.3f}" for name, of in values.items()}
    unit = f"of {len(cases)} viewers"
    return [
        reported(f"recommend: last tenth of the log, {name}, nDCG@10", [float(of.mean())], unit, told[name])
        for name, of in values.items()
    ]


def _implicit(early: pd.DataFrame, later: pd.Series) -> Floats:
    """nDCG@10 of the `implicit` package's ALS of 128 factors, alpha 2."""
    user, item = early["user_id"].astype("category").cat, early["title_id"].astype("category").cat
    matrix = sp.csr_matrix((early["strength"].to_numpy(np.float32) / MILLION, (user.codes, item.codes)))
    model = AlternatingLeastSquares(factors=128, alpha=2.0, random_state=1, num_threads=1)
    model.fit(matrix, show_progress=False)
    rows = user.categories.get_indexer(later.index)
    best, _ = model.recommend(rows, matrix[rows], N=CUT)
    titles = item.categories.to_numpy()
    return np.array([ndcg(list(titles[listed]), wanted) for listed, wanted in zip(best, later, strict=True)])


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
