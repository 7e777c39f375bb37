"""Titles that come up after the night, on MovieLens: offered by content and viewers, beside either alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
import pandas as pd

from batch.known import seen_titles
from batch.recommenders.als import train_recommend
from batch.recommenders.content import with_unseen
from benchmarks.ground import Ground
from benchmarks.premieres import Judged, View, judged
from benchmarks.rivals import Floats
from benchmarks.rows import Row, above, reported
from benchmarks.viewers import histories, in_order, last_fifth, profiles_of
from demo.films import catalogue
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.schemas import TITLE
from lambda_arch.tiles import Seen

HORIZONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FOLDS, RESAMPLES = 5, 10_000
MEASURES = ("found among the first ten", "nDCG@10", "share of other new titles below")
# Viewers that a title had before, from and below.
BEFORE = {"1": (1, 2), "2 to 3": (2, 4), "4 to 9": (4, 10), "10 to 29": (10, 30), "30 and more": (30, 10**9)}
LEAST_VIEWS = 30


def rows(ground: Ground) -> list[Row]:
    """By how many viewers a title had, and of all: against content alone, and against how many saw it."""
    found = {"known viewers": _known_viewers(ground), "the log by time": _by_time(ground)}
    return [row for scope, views in found.items() for row in _rows(f"new titles, {scope}", list(views))]


def _known_viewers(ground: Ground) -> Iterator[Judged]:
    """Every viewer's last fifth, in which a fifth of all titles come up that the night has not heard of."""
    early, late = last_fifth(in_order(ground.sources.ratings))
    for fold in range(FOLDS):
        known, new = early[~_is_of(early, fold)], set(late[_is_of(late, fold)]["title_id"])
        yield from _judged(ground, known, late, new)


def _by_time(ground: Ground) -> Iterator[Judged]:
    """What comes between a horizon and the next, of titles and mostly by viewers that nobody knew before."""
    ratings = in_order(ground.sources.ratings)
    moments = [int(ratings["time"].quantile(share, interpolation="lower")) for share in HORIZONS]
    for horizon, until in pairwise([*moments, int(ratings["time"].max()) + 1]):
        known = ratings[ratings["time"] < horizon]
        later = ratings[(ratings["time"] >= horizon) & (ratings["time"] < until)]
        yield from _judged(ground, known, later, set(later["title_id"]) - set(known["title_id"]))


def _is_of(seen: pd.DataFrame, fold: int) -> pd.Series:
    return seen["title_id"].map(lambda title: crc32(title.encode()) % FOLDS == fold)


def _judged(ground: Ground, known: pd.DataFrame, later: pd.DataFrame, new: set[str]) -> Iterator[Judged]:
    return judged(_model(ground, known), list(_views(known, later, new)))


def _model(ground: Ground, known: pd.DataFrame) -> RecommendModel:
    """As a night makes it, with every title of the catalogue placed."""
    films = catalogue(ground.sources.ratings).values()
    names = ("title_id", "name", "year", "genres")
    titles = [(*(film[name] for name in names), [], None, None) for film in films]
    batch = ground.config.batch
    trained = train_recommend(seen_titles(profiles_of(ground.spark, known)), batch.recommend, batch.seed, 1)
    model = with_unseen(trained, ground.spark.createDataFrame(titles, TITLE))
    if model is None:
        raise ValueError("nobody has seen anything")
    return model


def _views(known: pd.DataFrame, later: pd.DataFrame, new: set[str]) -> Iterator[View]:
    """Views of new titles in order of time, with what of other titles was seen before each."""
    before: dict[str, list[Seen]] = histories(known)
    for row in later.sort_values(["time", "user_id", "title_id"]).itertuples():
        history = before.setdefault(row.user_id, [])
        if row.title_id in new:
            yield View(row.user_id, row.title_id, tuple(history))
        else:
            history.insert(0, Seen(int(row.time), 0, row.title_id, int(row.strength)))


def _rows(what: str, views: Sequence[Judged]) -> Iterator[Row]:
    for told, (least, below) in BEFORE.items():
        own = [view for view in views if least <= view.viewers < below]
        if len(own) >= LEAST_VIEWS:
            yield from _measured(f"{what}, {told} before", own)
    yield from _measured(f"{what}, any before", views)
    low, _ = interval(views, _gains(views, 1, "content"))
    yield above(0, f"{what}: nDCG@10 above content alone: lower end", [low], "")
    low, _ = interval(views, _gains(views, 1, "popular"))
    yield above(0, f"{what}: nDCG@10 above how many saw it: lower end", [low], "")


def _measured(what: str, views: Sequence[Judged]) -> Iterator[Row]:
    count = f"{len(views)} views by {len({view.viewer for view in views})} viewers"
    for place, measure in enumerate(MEASURES):
        beside = "; ".join(_beside(views, place, rival) for rival in ("content", "popular"))
        ours = float(np.mean([view.places["ours"][place] for view in views]))
        yield reported(f"{what}: {measure}", [ours], "", f"{count}; {beside}")
    shares = {name: float(np.mean([view.against[name] for view in views])) for name in ("ours", "content")}
    beside = f"content {shares['content']:.4f}"
    yield reported(f"{what}: share of other viewers below the next one", [shares["ours"]], "", beside)


def _beside(views: Sequence[Judged], place: int, rival: str) -> str:
    low, high = interval(views, _gains(views, place, rival))
    theirs = np.mean([view.places[rival][place] for view in views])
    return f"{rival} {theirs:.4f}, gain's 95 % interval {low:.4f} to {high:.4f}"


def _gains(views: Iterable[Judged], place: int, rival: str) -> Floats:
    return np.array([view.places["ours"][place] - view.places[rival][place] for view in views])


def interval(views: Sequence[Judged], values: Floats) -> tuple[float, float]:
    """The 95 % interval of the mean over views, by bootstrap over viewers."""
    _, viewer = np.unique([view.viewer for view in views], return_inverse=True)
    sums, counts = np.bincount(viewer, values), np.bincount(viewer)
    chance = np.random.default_rng(1)
    drawn = chance.integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
