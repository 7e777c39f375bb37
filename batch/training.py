"""What models learn from: everything known, or only what the backtest does not judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from batch.customers.churn import fold, labelled_accounts, select_churn, train_churn
from batch.customers.segment import select_segment, train_segment
from batch.feelings.selection import select_sentiment
from batch.feelings.sentiment import labelled_posts, train_sentiment
from batch.known import Known, seen_titles
from batch.recommenders.als import train_recommend
from batch.recommenders.content import with_unseen
from batch.recommenders.hindsight import select_recommend
from batch.recommenders.neighbours import with_neighbours
from batch.selection import Selection, Trial
from lambda_arch.config import Config
from lambda_arch.features import profiles, unit_tile
from lambda_arch.models import Models, Title
from lambda_arch.recipes import Batch
from lambda_arch.records import UseCase
from lambda_arch.schemas import Transform

JUDGED_FOLD = 4


@dataclass(frozen=True)
class Training:
    """Profiles (PROFILE), labelled accounts (churn.labelled_accounts), posts with what people felt, titles (TITLE)."""

    horizon: int
    profiles: DataFrame
    accounts: DataFrame
    posts: DataFrame
    titles: DataFrame


def everything(known: Known, config: Config) -> Training:
    """All that is known at the horizon."""
    return Training(
        horizon=known.horizon,
        profiles=known.profiles,
        accounts=labelled_accounts(known, config),
        posts=labelled_posts(known.posts, known.labels),
        titles=known.titles,
    )


def unjudged(whole: Training, known: Known, config: Config) -> Training:
    """Of everything what the backtest does not judge: users' earlier events, other customers, other titles' posts.

    Candidates are compared on this part alone, so that the measured fidelity owes nothing to the choice.
    """
    earlier = known.events.transform(early(config.batch.backtest.known_share))
    return replace(
        whole,
        profiles=earlier.transform(profiles(known.titles, config.features.history_limit)).persist(),
        accounts=whole.accounts.where(fold("user_id") != JUDGED_FOLD),
        posts=whole.posts.where(fold("title_id") != JUDGED_FOLD),
    )


def early(known_share: float) -> Transform:
    """Each user's events up to the known share of those that are judged: of what was seen, in order of time.

    Other events (searches, say) do not move the cut: what comes after it is what the models are judged on.
    """
    by_user = Window.partitionBy("user_id")
    in_order = by_user.orderBy("event_time", F.xxhash64("event_id")).rowsBetween(Window.unboundedPreceding, 0)
    seen = unit_tile()["strength"].isNotNull().cast("int")
    cut = F.floor(F.sum(seen).over(by_user) * known_share)
    return lambda events: (
        events.withColumns({"place": F.sum(seen).over(in_order), "cut": cut})
        .where(F.col("place") <= F.col("cut"))
        .drop("place", "cut")
    )


@dataclass(frozen=True)
class Selected:
    """The settings to train with, every candidate as it was measured, and why a use case can have no model."""

    settings: Batch
    trials: dict[UseCase, tuple[Trial, ...]]
    reasons: dict[UseCase, str]


def select(training: Training, settings: Batch) -> Selected:
    """What each use case is to be trained with."""
    posts = training.posts.persist()
    found: dict[UseCase, Selection[Any]] = {
        "recommend": select_recommend(training.profiles, settings.recommend, settings.seed),
        "segment": select_segment(training.profiles, training.horizon, settings.segment, settings.seed),
        "churn": select_churn(training.accounts, settings.churn),
        "sentiment": select_sentiment(posts, settings.sentiment),
    }
    posts.unpersist()
    return Selected(
        settings=settings.model_copy(update={name: selection.chosen for name, selection in found.items()}),
        trials={name: selection.trials for name, selection in found.items()},
        reasons={name: selection.reason for name, selection in found.items() if selection.reason},
    )


def trained(training: Training, settings: Batch, number: int, previous: Models | None = None) -> Models:
    """A generation's models, each trained on all of the training set.

    `previous` are the models of the generation before: segments keep their numbers, features' drift is against it.
    """
    segment, churn = (previous.segment, previous.churn) if previous else (None, None)
    seen = seen_titles(training.profiles)
    recommend = with_unseen(train_recommend(seen, settings.recommend, settings.seed, number), training.titles)
    return Models(
        generation=number,
        horizon=training.horizon,
        recommend=with_neighbours(recommend, seen),
        segment=train_segment(training.profiles, training.horizon, settings.segment, settings.seed, number, segment),
        churn=train_churn(training.accounts, settings.churn, number, churn),
        sentiment=train_sentiment(training.posts, settings.sentiment, number),
        catalogue=_catalogue(training.titles),
    )


def _catalogue(titles: DataFrame) -> dict[str, Title]:
    genres = F.array_sort(F.array_distinct("genres")).alias("genres")
    rows = titles.select("title_id", "name", "year", genres, "brand").orderBy("title_id").collect()
    return {row.title_id: Title(row.name, row.year, tuple(row.genres or ()), row.brand) for row in rows}
