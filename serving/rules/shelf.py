"""A generation's titles as columns, so that a rule about thousands of them is one operation on an array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lambda_arch.models import Models
from lambda_arch.recommend_model import Array
from lambda_arch.search import Floats, Rows
from lambda_arch.shortlist import Flags
from serving.rules.book import Book, Placement, Ratings, Selector


class Rule(NamedTuple):
    """Titles that a rule removes, with its name for people."""

    name: str
    removes: Flags


class Shelf:
    """The model's titles in its own order, then the rest of the catalogue by id; every column is [titles].

    Made once for a generation and a book: takes some 0.1 s for 20,000 titles.
    """

    def __init__(self, models: Models, book: Book) -> None:
        model = models.recommend
        first = model.titles if model else []
        known = set(first)
        self.models, self.book = models, book
        self.titles = [*first, *sorted(title for title in models.catalogue if title not in known)]
        self.row = {title: number for number, title in enumerate(self.titles)}
        self.ranked = len(first)  # so many of the titles have factors
        self.by_id = np.argsort(np.array(self.titles, dtype=object), kind="stable")
        told = [models.catalogue.get(title) for title in self.titles]
        self.genres = [title.genres if title else () for title in told]
        self.brands: list[tuple[str, ...]] = [(title.brand,) if title and title.brand else () for title in told]
        self._years = np.array([(title.year if title else None) or 0 for title in told], dtype=np.int32)
        self._of_genre = _columns(self.genres)
        self._of_brand = _columns(self.brands)
        self.ages = self._ages(book.ratings)
        self._windows = [(self.selected(window), window) for window in book.availability]
        self._rules: dict[str, list[Rule]] = {}
        self._weights: dict[str, Floats] = {}

    def is_of(self, models: Models, book: Book) -> bool:
        """Whether it was made of these."""
        return self.models is models and self.book is book

    def __len__(self) -> int:
        """How many titles there are."""
        return len(self.titles)

    def vectors(self, rows: Sequence[int]) -> Floats:
        """The titles' factors, float64 [rows, rank]; zeros for those without: they are like nothing."""
        model = self.models.recommend
        if model is None:
            return np.zeros((len(rows), 1))
        found = np.zeros((len(rows), model.factors.shape[1]))
        ranked = [place for place, row in enumerate(rows) if row < self.ranked]
        found[ranked] = model.factors[[rows[place] for place in ranked]]
        return found

    @cached_property
    def lengths(self) -> Floats:
        """The length of each title's factors, of those that have some."""
        model = self.models.recommend
        return np.zeros(0) if model is None else np.asarray(np.linalg.norm(model.factors, axis=1), dtype=np.float64)

    def in_common(self, row: int) -> Floats:
        """The share of genres that each title has in common with one (Jaccard); -inf where it has none."""
        names = self.genres[row]
        both = np.sum([self.of_genres([name]) for name in names], axis=0) if names else np.zeros(len(self))
        sizes = np.array([len(genres) for genres in self.genres])
        return np.where(both > 0, both / np.maximum(1, sizes + len(names) - both), -np.inf)

    def labels(self, row: int) -> list[tuple[str, str]]:
        """What of a title must not repeat too often: genres and brand."""
        return [*(("genre", genre) for genre in self.genres[row]), *(("brand", brand) for brand in self.brands[row])]

    def none(self) -> Flags:
        """No title."""
        return np.zeros(len(self), dtype=bool)

    def of(self, titles: Iterable[str]) -> Rows:
        """The rows of those titles that there are."""
        return np.array([self.row[title] for title in titles if title in self.row], dtype=np.intp)

    def among(self, titles: Iterable[str]) -> Flags:
        """Whether each title is one of those."""
        flags = self.none()
        flags[self.of(titles)] = True
        return flags

    def of_genres(self, names: Iterable[str]) -> Flags:
        """Whether each title is of one of the genres; capitals do not count."""
        return self._any(self._of_genre, names)

    def selected(self, selector: Selector) -> Flags:
        """Whether each title is meant."""
        flags = ~self.none()
        if selector.titles:
            flags &= self.among(selector.titles)
        if selector.genres:
            flags &= self.of_genres(selector.genres)
        if selector.brands:
            flags &= self._any(self._of_brand, selector.brands)
        if selector.years:
            flags &= (self._years >= selector.years[0]) & (self._years <= selector.years[1])
        return flags

    def rules(self, name: str, placement: Placement) -> list[Rule]:
        """What the placement's own include and exclude remove."""
        if name not in self._rules:
            found = [Rule(f"{name}: exclude {one.words()}", self.selected(one)) for one in placement.exclude]
            if placement.include:
                kept = np.logical_or.reduce([self.selected(one) for one in placement.include])
                found.append(Rule(f"{name}: include {' or '.join(one.words() for one in placement.include)}", ~kept))
            self._rules[name] = found
        return self._rules[name]

    def weights(self, name: str, placement: Placement) -> Floats:
        """What each title's score is multiplied by; the boosts that mean it, together."""
        if name not in self._weights:
            weights = np.ones(len(self))
            for boost in placement.boost:
                weights[self.selected(boost)] *= boost.by
            self._weights[name] = weights
        return self._weights[name]

    def unavailable(self, country: str | None, now: int) -> Flags:
        """Whether each title has windows of which none is open; `now` in microseconds.

        Where no country is told, a window of some countries is not open.
        """
        bound, opened = self.none(), self.none()
        for titles, window in self._windows:
            bound |= titles
            if window.is_open(country, now):
                opened |= titles
        return bound & ~opened

    def _any(self, columns: Mapping[str, Flags], names: Iterable[str]) -> Flags:
        found = [columns[name.casefold()] for name in names if name.casefold() in columns]
        return np.logical_or.reduce(found) if found else self.none()

    def _ages(self, ratings: Ratings) -> Array:
        ages = np.full(len(self), -1)
        for genre, rated in ratings.genres.items():
            of_genre = self.of_genres([genre])
            ages[of_genre] = np.maximum(ages[of_genre], ratings.age(rated))
        for title, rated in ratings.titles.items():
            if title in self.row:
                ages[self.row[title]] = ratings.age(rated)
        return np.where(ages < 0, ratings.unrated, ages)


def _columns(labels: list[tuple[str, ...]]) -> dict[str, Flags]:
    rows: dict[str, list[int]] = {}
    for row, names in enumerate(labels):
        for name in names:
            rows.setdefault(name.casefold(), []).append(row)
    columns = {name: np.zeros(len(labels), dtype=bool) for name in rows}
    for name, column in columns.items():
        column[rows[name]] = True
    return columns
