"""Gated records -> the entities' states and records in the store: bytes, numpy and the store, no Spark.

One pipelined round trip reads the entities, one writes them; each entity by one compare-and-set. A conflict
(another writer was quicker) is read again and redone. The same records again change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lambda_arch.clock import wall_now
from lambda_arch.commits import Commit, CommitResult, StoredEntity
from lambda_arch.keys import Generations
from lambda_arch.models import Models
from lambda_arch.posts import Post, PostTile, merge_post_tiles
from lambda_arch.predictions import Scoring, predict_title, predict_user
from lambda_arch.records import Prediction
from lambda_arch.scoring import post_tile
from lambda_arch.store import Store, StoreError
from lambda_arch.tiles import Event, Profile, Tile, merge_profiles, merge_tiles, profile_of, unit_tile
from streaming.state import Horizons, State, absorbed, decode_state, since

_record = msgspec.json.Decoder(Event | Post)
_profile = msgspec.msgpack.Decoder(Profile)
_post_days = msgspec.msgpack.Decoder(dict[int, PostTile])


class Applied(msgspec.Struct, frozen=True):
    """What a call did: records read, entities written, conflicts redone, predictions refused, those accepted."""

    records: int
    written: int
    conflicts: int
    refused: int
    predictions: list[Prediction]


class Applier:
    """Applies gated records to the store with the models of the current generation, which it follows."""

    def __init__(self, store: Store, history_limit: int, top_n: int) -> None:
        self._store = store
        self._history_limit = history_limit
        self._top_n = top_n
        self._generations = Generations()
        self._models = Models(generation=0, horizon=0)

    def apply(self, values: Sequence[bytes]) -> Applied:
        """Apply gated records (JSON), in their order; every entity is written when this returns.

        Raises redis's errors where the store is away: nothing is half-written, and the call may be repeated.
        Raises StoreError where the store lost its pointer, but not its entities.
        """
        records = [_record.decode(value) for value in values]
        pending = _by_entity(records)
        written = conflicts = refused = 0
        predictions: list[Prediction] = []
        while pending:
            self._follow()
            commits = self._commits(pending)
            results = list(zip(commits, self._store.commit(commits), strict=True))
            self._check_epoch(result for _, result in results)
            predictions += [prediction for _, result in results for prediction in result.accepted]
            written += sum(result.written for _, result in results)
            refused += sum(result.refused for _, result in results)
            pending = {commit.entity: pending[commit.entity] for commit, result in results if not result.written}
            conflicts += len(pending)
        if records:
            self._store.advance_clock(max(record.event_time for record in records))
        return Applied(len(records), written, conflicts, refused, predictions)

    def _follow(self) -> None:
        """Load the current generation's models if it changed."""
        self._generations = self._store.generations()
        if self._generations.current != self._models.generation:
            current = self._generations.current
            missing = Models(generation=current, horizon=self._generations.current_horizon)
            self._models = self._store.models(current) or missing

    def _check_epoch(self, results: Iterable[CommitResult]) -> None:
        """A commit of an older epoch than the entity's is redone, unless the pointer itself is of an older one."""
        if not any(result.outdated for result in results) or self._store.generations().epoch > self._generations.epoch:
            return
        raise StoreError(
            f"the store has entities of a later epoch than its pointer `la:gen` ({self._generations.epoch}): the "
            "pointer was lost; empty the store, publish again with `lambda-arch night`, and replay the stream"
        )

    def _commits(self, pending: dict[str, list[Event | Post]]) -> list[Commit]:
        entities = list(pending)
        stored = self._store.read_entities(entities, self._models.generation)
        commits = [
            self._commit(entity, pending[entity], before) for entity, before in zip(entities, stored, strict=True)
        ]
        return [commit for commit in commits if commit is not None]

    def _commit(self, entity: str, records: Sequence[Event | Post], stored: StoredEntity) -> Commit | None:
        if entity.startswith("t:"):
            return self._title_commit(entity, [post for post in records if isinstance(post, Post)], stored)
        return self._user_commit(entity, [event for event in records if isinstance(event, Event)], stored)

    def _user_commit(self, entity: str, events: Sequence[Event], stored: StoredEntity) -> Commit | None:
        state = absorbed(decode_state(stored.state, Tile), events, self._horizons(), self._unit_tile, self._merge)
        if state is None:
            return None
        known = _profile.decode(stored.profile) if stored.profile else Profile()
        fresh = profile_of(since(state, self._models.horizon), self._history_limit)
        profile = merge_profiles(known, fresh, self._history_limit)
        # `now` is the entity's own newest event, never the wall clock, so that a replay gives the same answer.
        scoring = self._scoring(profile.lifetime.last)
        return self._write(entity, stored, state, predict_user(entity[2:], profile, scoring))

    def _title_commit(self, entity: str, posts: Sequence[Post], stored: StoredEntity) -> Commit | None:
        before = decode_state(stored.state, PostTile)
        state = absorbed(before, posts, self._horizons(), self._unit_post_tile, merge_post_tiles)
        if state is None:
            return None
        known = _post_days.decode(stored.profile) if stored.profile else {}
        tile = merge_post_tiles([*known.values(), *since(state, self._models.horizon).values()])
        records = predict_title(entity[2:], tile, self._scoring(tile.last))
        return self._write(entity, stored, state, records)

    def _write(self, entity: str, stored: StoredEntity, state: State[Any], records: list[Prediction]) -> Commit:
        return Commit(entity, stored.version, self._generations.epoch, msgspec.msgpack.encode(state), records)

    def _horizons(self) -> Horizons:
        return Horizons(self._generations.current_horizon, self._generations.oldest_horizon())

    def _scoring(self, newest: int | None) -> Scoring:
        now = max(self._models.horizon, newest or 0)
        return Scoring(self._models, "speed", now, wall_now(), self._top_n)

    def _unit_tile(self, event: Event) -> Tile:
        return unit_tile(event, self._models.genres)

    def _unit_post_tile(self, post: Post) -> PostTile:
        return post_tile(self._models.sentiment, post.event_time, post.text)

    def _merge(self, tiles: Iterable[Tile]) -> Tile:
        return merge_tiles(tiles, self._history_limit)


def _by_entity(records: Sequence[Event | Post]) -> dict[str, list[Event | Post]]:
    groups: dict[str, list[Event | Post]] = {}
    for record in records:
        entity = f"u:{record.user_id}" if isinstance(record, Event) else f"t:{record.title_id}"
        groups.setdefault(entity, []).append(record)
    return groups
