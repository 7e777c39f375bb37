"""The catalogue: MovieLens titles, the films that the reviews are about, and which of them are the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

NO_GENRES = "(no genres listed)"
ARTICLES = ("the", "a", "an")
_BRACKETS = re.compile(r"\(.*?\)")
_MARKS = re.compile(r"[^\w\s]|_")


def normalised(name: str) -> str:
    """A title's name as words: `Deer Hunter, The` and the slug `the_deer_hunter` are both `the deer hunter`."""
    spaced = _BRACKETS.sub(" ", name.lower()).replace("_", " ")
    words = _MARKS.sub("", spaced).split()
    if len(words) > 1 and words[-1] in ARTICLES:
        words = [words[-1], *words[:-1]]
    return " ".join(words)


def titles_of_slugs(slugs: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Each review film's title id: of the one title (id -> name) with that name, else `rt-SLUG`."""
    by_name = {normalised(name): title for title, name in names.items()}
    counts = Counter(normalised(name) for name in names.values())
    return {slug: by_name[name] if counts[name := normalised(slug)] == 1 else f"rt-{slug}" for slug in slugs}


def catalogue(ratings: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The titles of MovieLens by id."""
    films = ratings.drop_duplicates("movieId").sort_values("movieId")
    return {str(film["movieId"]): _title(film) for film in films.to_dict("records")}


def with_reviewed(
    titles: Mapping[str, dict[str, Any]], films: Mapping[str, str], plots: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The catalogue with the review films (slug -> title id) and their plots (by slug)."""
    grown = dict(titles)
    for slug, title in films.items():
        known = grown.get(title) or {"title_id": title, "name": spelled(slug), "year": None, "genres": [], "plot": None}
        grown[title] = {**known, "plot": known["plot"] or plots.get(slug)}
    return grown


def spelled(slug: str) -> str:
    """A slug as a name."""
    return normalised(slug).title()


def _title(film: dict[Any, Any]) -> dict[str, Any]:
    listed = film["genres"]
    return {
        "title_id": str(film["movieId"]),
        # A few titles have no name in the data set.
        "name": film["title"] if isinstance(film["title"], str) else f"MovieLens {film['movieId']}",
        "year": None if pd.isna(film["year"]) else int(film["year"]),
        "genres": [] if listed == NO_GENRES else listed.split("|"),
        "plot": None,
    }
