"""Recommend: the right candidate is chosen, nothing later is learnt from, and unseen titles are placed by content."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from batch.known import seen_titles
from batch.recommenders.als import HALF_LIFE_DAYS, popularity, train_recommend
from batch.recommenders.content import with_unseen
from batch.recommenders.hindsight import Hindsight, earlier_titles, hindsight, select_recommend
from batch.selection import Selection
from lambda_arch.clock import DAY
from lambda_arch.recipes import FoldIn, Recommend
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.schemas import PROFILE, TITLE
from lambda_arch.scoring import top_titles
from lambda_arch.tiles import MILLION, Seen

pytestmark = pytest.mark.spark

FLAT = FoldIn(reg=10.0, alpha=10.0, floor=1.0, gain=0.0, memory=1.0, few=1.0, prior=0.0, fading=1.0)
NEWEST = FoldIn(reg=10.0, alpha=10.0, floor=0.0, gain=1.0, memory=0.5, few=1.0, prior=0.0, fading=1.0)
GENRES = ("drama", "comedy", "crime", "western")
SEED = 7


def recipe(**grid: Any) -> Recommend:
    return Recommend(rank=8, reg=0.05, alpha=5.0, iterations=5, fold_in=FLAT, grid=grid)


def titles_of(genre: int) -> list[str]:
    return [f"{GENRES[genre]}{number:02}" for number in range(20)]


def movers() -> dict[str, list[str]]:
    """Viewers, oldest title first: ten titles of one genre, then fourteen of another."""
    rng = random.Random(SEED)
    return {
        f"u{number:02}": rng.sample(titles_of(number % 4), 10) + rng.sample(titles_of((number + 1) % 4), 14)
        for number in range(60)
    }


def profiles(spark: SparkSession, viewers: dict[str, list[str]]) -> DataFrame:
    rows = []
    for user, titles in viewers.items():
        history = [(time, 0, title, MILLION) for time, title in reversed(list(enumerate(titles)))]
        rows.append((user, ({"view": len(titles)}, 0, 0, {}, None, None, None, history), []))
    return spark.createDataFrame(rows, PROFILE)


def said(selection: Selection[Recommend]) -> list[Any]:
    return [(trial.name, trial.settings, trial.metrics, trial.standard_error) for trial in selection.trials]


@pytest.fixture(scope="module")
def moved(spark: SparkSession) -> DataFrame:
    return profiles(spark, movers()).persist()


@pytest.fixture(scope="module")
def selection(moved: DataFrame) -> Selection[Recommend]:
    return select_recommend(moved, recipe(rank=(2, 8), fold_in=(FLAT, NEWEST)), SEED)


def test_where_tastes_move_the_candidate_that_looks_at_the_newest_titles_wins(
    selection: Selection[Recommend],
) -> None:
    assert selection.chosen.fold_in == NEWEST
    assert selection.chosen.grid == {}
    assert selection.trials[0].settings == selection.chosen.model_dump(exclude={"grid"})


def test_every_candidate_is_measured_best_first_with_the_baselines_after_them(
    selection: Selection[Recommend],
) -> None:
    assert [trial.name for trial in selection.trials] == ["als"] * 4 + ["popular", "recently_popular", "item_item"]
    assert all(list(trial.metrics) == ["ndcg@10", "recall@10", "coverage"] for trial in selection.trials)
    values = [trial.metrics["ndcg@10"] for trial in selection.trials]
    assert values[:4] == sorted(values[:4], reverse=True)
    assert values[0] > values[4] + 3 * selection.trials[4].standard_error  # popular titles are of every genre


def test_candidates_that_differ_in_their_fold_in_share_what_is_trained(
    moved: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def counted(seen: DataFrame, settings: Recommend, *rest: Any) -> RecommendModel | None:
        trained.append(settings.rank)
        return train_recommend(seen, settings, *rest)

    monkeypatch.setattr("batch.recommenders.hindsight.train_recommend", counted)
    select_recommend(moved, recipe(rank=(2, 3), fold_in=(FLAT, NEWEST)), SEED)
    assert sorted(trained) == [2, 3]


def test_the_same_again_is_the_same(moved: DataFrame, selection: Selection[Recommend]) -> None:
    again = select_recommend(moved, recipe(rank=(2, 8), fold_in=(FLAT, NEWEST)), SEED)
    assert said(again) == said(selection)
    assert again.chosen == selection.chosen


def test_one_candidate_is_not_compared(moved: DataFrame) -> None:
    assert select_recommend(moved, recipe(), SEED) == Selection(recipe())


def test_where_nobody_has_enough_titles_the_settings_stay(spark: SparkSession) -> None:
    few = profiles(spark, {"u1": list("abcd"), "u2": []})
    assert select_recommend(few, recipe(rank=(2, 3)), SEED) == Selection(recipe())


def test_what_viewers_went_on_to_see_is_not_learnt_from(spark: SparkSession, moved: DataFrame) -> None:
    """A genre that nobody saw before the cut is unknown to the model that is compared."""
    premieres = {user: [*titles, "premiere1", "premiere2"] for user, titles in movers().items()}
    later = profiles(spark, premieres)
    compared = seen_titles(later.transform(earlier_titles()))
    learnt = {row.title_id for row in compared.select("title_id").distinct().collect()}
    assert learnt
    assert not learnt & {"premiere1", "premiere2"}
    known = hindsight(later)
    assert {row.title_id for row in compared.where("user_id = 'u00'").collect()} == set(premieres["u00"][:18])
    assert all(wanted[:2] == ["premiere2", "premiere1"] for wanted in known.later)


def test_a_viewer_s_titles_are_cut_by_time(spark: SparkSession) -> None:
    cut = hindsight(profiles(spark, {"u": list("abcdefghij"), "of-four-titles": list("abcd")}))
    assert cut == Hindsight(
        known=[[Seen(time, 0, "abcdefghij"[time], MILLION) for time in range(6, -1, -1)]], later=[["j", "i", "h"]]
    )


def test_who_saw_a_title_counts_half_for_each_half_life_that_passed(spark: SparkSession) -> None:
    year, age = 365 * DAY, HALF_LIFE_DAYS * DAY
    rows = [("u1", "new", year), ("u2", "new", year), *((f"u{number}", "old", year - age) for number in range(3))]
    frame = spark.createDataFrame(
        [*rows, ("u1", "oldest", year - 2 * age)], "user_id string, title_id string, time long"
    )
    found = {row.title_id: (row["count"], row.recent) for row in popularity(frame).collect()}
    assert found == {"new": (2, 2 * MILLION), "old": (3, 3 * MILLION // 2), "oldest": (1, MILLION // 4)}


def test_titles_nobody_has_seen_are_recommended_by_their_content(spark: SparkSession) -> None:
    rng = random.Random(SEED)
    viewers = {f"u{number:02}": rng.sample(titles_of(number % 4), 12) for number in range(60)}
    model = train_recommend(seen_titles(profiles(spark, viewers)), recipe(), SEED, 3)
    assert model is not None
    catalogue = [
        (title, title, 2000, [genre.upper()], ["Ann Actor"] if number else [], None, f"A {genre} of the year")
        for genre in GENRES for number, title in enumerate([*titles_of(GENRES.index(genre)), f"new-{genre}"])
    ]  # fmt: skip
    blank = ("blank", "Nothing is told", None, None, None, None, None)
    grown = with_unseen(model, spark.createDataFrame([*catalogue, blank], TITLE))
    assert grown is not None
    assert grown.titles == [*model.titles, *sorted(f"new-{genre}" for genre in GENRES)]
    assert {title for title in grown.titles if grown.is_new(title)} == {f"new-{genre}" for genre in GENRES}
    assert (grown.factors[: len(model.titles)] == model.factors).all()
    assert grown.popular == [*model.popular, *range(len(model.titles), len(grown.titles))]
    assert np.array_equal(grown.recent, np.append(model.recent, np.zeros(len(GENRES), dtype=np.float32)))
    for number, genre in enumerate(GENRES):
        history = [Seen(0, 0, title, MILLION) for title in titles_of(number)[:19]]
        best = [title for title, _ in top_titles(grown, history, 2)]
        assert set(best) == {f"new-{genre}", titles_of(number)[19]}
        [folded] = top_titles(grown, [Seen(0, 0, f"new-{genre}", MILLION)], 1)
        assert folded[0].startswith(genre)


def test_a_catalogue_that_tells_nothing_new_changes_nothing(spark: SparkSession) -> None:
    viewers = {"u1": ["a", "b"], "u2": ["b", "c"]}
    model = train_recommend(seen_titles(profiles(spark, viewers)), recipe(), SEED, 3)
    rows = [(title, title, None, ["drama"], None, None, None) for title in "abc"]
    assert with_unseen(model, spark.createDataFrame(rows, TITLE)) is model
    assert with_unseen(None, spark.createDataFrame(rows, TITLE)) is None
    assert model is not None
    assert np.isfinite(model.factors).all()
