"""Titles that came up since the night: placed among the others by content and viewers, and kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np

from lambda_arch.models import Models, Title
from lambda_arch.new_title_reads import Doing, NewTitleReads, Sighting
from lambda_arch.newcomers import newcomer_vectors
from lambda_arch.profiles import decode_profile, merged_profile
from lambda_arch.ranking import fold_in_many
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.records import UnknownSchemaError
from lambda_arch.search import Floats
from lambda_arch.states import decode_state
from lambda_arch.store import StoreError
from lambda_arch.tiles import Seen, Tile
from serving.rules.book import Book
from serving.rules.shelf import Shelf

REFRESH_SECONDS, STALE_SECONDS = 2.0, 30.0
READ = 500  # viewers that are read at a time: those of the newest titles first, the others with the next refresh

# A viewer's last view of a new title, and the vector of all that they are known for; none where nothing is.
Vectors = Mapping[str, tuple[int, Floats | None]]


class Newcomers(msgspec.Struct, frozen=True, dict=True):
    """New titles of one generation: float64 `vectors` [titles, rank], and how many `viewers` each is made of.

    `known` has every viewer's vector.
    """

    models: Models
    titles: list[str] = []
    vectors: Floats = np.zeros((0, 0))
    viewers: list[int] = []
    known: Vectors = {}

    @cached_property
    def _shelves(self) -> dict[int, Shelf]:
        return {}

    def shelf(self, book: Book) -> Shelf:
        """The titles, in their order, as rules see them: what the catalogue lacks has no genre, year or brand."""
        if id(book) not in self._shelves:
            catalogue = {title: self.models.catalogue.get(title, Title("")) for title in self.titles}
            self._shelves.clear()
            self._shelves[id(book)] = Shelf(Models(generation=0, horizon=0, catalogue=catalogue), book)
        return self._shelves[id(book)]


class Premieres:
    """The newcomers, made again every few seconds while somebody asks for them."""

    def __init__(self, reads: NewTitleReads, history_limit: int) -> None:
        self._reads, self._limit = reads, history_limit
        self._found = Newcomers(Models(generation=0, horizon=0))
        self._made = 0.0
        self._making: tuple[Models, asyncio.Task[None]] | None = None

    async def of(self, models: Models) -> Newcomers:
        """Those of the models in memory; as they were last while the store is away, none where they never were."""
        if self._making and self._making[0] is not models:
            await asyncio.shield(self._making[1])
        age = asyncio.get_running_loop().time() - self._made
        is_old = self._found.models is not models or age > STALE_SECONDS
        if self._making is None and (is_old or age > REFRESH_SECONDS):
            self._making = (models, asyncio.create_task(self._make(models)))
        if is_old and self._making:
            # Shielded: a client that goes away must not end what others wait for.
            await asyncio.shield(self._making[1])
        return self._found if self._found.models is models else Newcomers(models)

    async def _make(self, models: Models) -> None:
        try:
            self._found = await self._newest(models)
            self._made = asyncio.get_running_loop().time()
        except StoreError:
            return
        finally:
            self._making = None

    async def _newest(self, models: Models) -> Newcomers:
        if models.recommend is None:
            return Newcomers(models)
        sightings = await self._reads.sightings(models.horizon)
        new = {title: seen for title, seen in sightings.items() if seen and models.recommend.is_new(title)}
        last = _last_views(new)
        before = self._found.known if self._found.models is models else {}
        known = {viewer: before[viewer] for viewer in last if viewer in before}
        unread = [viewer for viewer, time in last.items() if viewer not in known or known[viewer][0] < time][:READ]
        doings = await self._reads.doings(unread, models.generation)
        return await asyncio.to_thread(_newcomers, models, models.recommend, new, last, known, doings, self._limit)


def _last_views(sightings: Mapping[str, Sequence[Sighting]]) -> dict[str, int]:
    last: dict[str, int] = {}
    for seen in sightings.values():
        for one in seen:
            last[one.viewer] = max(one.time, last.get(one.viewer, 0))
    return last


def _newcomers(
    models: Models, model: RecommendModel, sightings: Mapping[str, Sequence[Sighting]], last: Mapping[str, int],
    known: Vectors, doings: Mapping[str, Doing], history_limit: int,
) -> Newcomers:  # fmt: skip
    """In the order of titles and viewers, so that the same store gives the same."""
    rank = model.factors.shape[1]
    histories = [_history(models, model, doing, history_limit) for doing in doings.values()]
    read = zip(doings, fold_in_many(model, histories)[:, :rank], strict=True)
    known = {**known, **{viewer: (last[viewer], None if np.isnan(own[0]) else own) for viewer, own in read}}
    by_viewer = {viewer: own for viewer, (_, own) in sorted(known.items()) if own is not None}
    titles = sorted(sightings)
    seen = [sorted(one.viewer for one in sightings[title] if one.viewer in by_viewer) for title in titles]
    vectors = newcomer_vectors(
        model.content(titles),
        [_stacked((by_viewer[viewer] for viewer in viewers), rank) for viewers in seen],
        _stacked(by_viewer.values(), rank),
    )
    return Newcomers(models, titles, vectors, [len(viewers) for viewers in seen], known)


def _history(models: Models, model: RecommendModel, doing: Doing, limit: int) -> list[Seen]:
    """What a viewer has seen of titles that are not new; nothing where this release cannot read it."""
    stored, state = doing
    try:
        profile = merged_profile(decode_profile(stored), decode_state(state, Tile), models.horizon, limit)
    except (msgspec.MsgspecError, UnknownSchemaError):
        return []
    return [seen for seen in profile.lifetime.history if not model.is_new(seen.title)]


def _stacked(vectors: Iterable[Floats], rank: int) -> Floats:
    return np.array(list(vectors)).reshape(-1, rank)
