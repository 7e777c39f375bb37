"""MovieLens as what viewers saw in order, cut for judging: what is known of each, and what they saw later."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from lambda_arch.clock import SECOND
from lambda_arch.schemas import SEEN
from lambda_arch.tiles import MILLION, Seen

PARTS = 5


class Case(NamedTuple):
    """What a viewer is known to have seen, newest first, and what they saw later, in order."""

    history: list[Seen]
    later: list[str]


def in_order(ratings: pd.DataFrame) -> pd.DataFrame:
    """(user_id, title_id, time, strength) in each viewer's order of time; within a second by title."""
    seen = pd.DataFrame(
        {
            "user_id": ratings["userId"].astype(str),
            "title_id": ratings["movieId"].astype(str),
            "time": ratings["timestamp"].astype("int64") * SECOND,
            "strength": (ratings["rating"] / 5 * MILLION).round().astype("int64"),
        }
    )
    return seen.sort_values(["user_id", "time", "title_id"]).reset_index(drop=True)


def last_fifth(seen: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everyone's first ratings, and their last fifth (rounded down)."""
    place = seen.groupby("user_id").cumcount()
    size = seen.groupby("user_id")["title_id"].transform("size")
    early = place < size - size // PARTS
    return seen[early], seen[~early]


def cases_of(known: pd.DataFrame, late: pd.DataFrame) -> dict[str, Case]:
    """Of every viewer who is known and has seen something later."""
    before, after = histories(known), late.groupby("user_id")["title_id"].agg(list)
    return {str(user): Case(before[user], titles) for user, titles in after.items() if user in before}


def first_titles(history: list[Seen], revealed: int) -> Case:
    """A viewer (newest title first) of whom only so many of the first titles are known."""
    return Case(history[-revealed:], [seen.title for seen in history[:-revealed]][::-1])


def histories(seen: pd.DataFrame) -> dict[str, list[Seen]]:
    """Each viewer's titles, newest first."""
    return {
        str(user): [Seen(int(row.time), 0, row.title_id, int(row.strength)) for row in own.itertuples()][::-1]
        for user, own in seen.groupby("user_id")
    }


def profiles_of(spark: SparkSession, seen: pd.DataFrame) -> DataFrame:
    """What selection and training read of profiles."""
    found = [
        (user, ([tuple(getattr(entry, name) for name in SEEN.names) for entry in history],))
        for user, history in histories(seen).items()
    ]
    return spark.createDataFrame(found, f"user_id string, lifetime struct<history: array<{SEEN.simpleString()}>>")
