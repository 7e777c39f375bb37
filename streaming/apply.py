"""Gated records -> the entities' states and records in the store: bytes, numpy and the store, no Spark.

One pipelined round trip reads the entities, one writes them; each entity by one compare-and-set. A conflict
(another writer was quicker) is read again and redone. The same records again change nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from lambda_arch.clock import wall_now
from lambda_arch.commits import Commit, CommitResult, StoredEntity
from lambda_arch.keys import Generations
from lambda_arch.models import Models
from lambda_arch.new_titles import note_views, views_of_new
from lambda_arch.posts import Post, PostProfile, decode_post_profile, merge_post_profiles, post_profile
from lambda_arch.predictions import Scoring, predict_each, predict_title
from lambda_arch.profiles import decode_profile, merged_profile
from lambda_arch.scoring import post_tile
from lambda_arch.states import State, decode_state, since
from lambda_arch.store import Store, StoreError
from lambda_arch.talked_about import note_trending
from lambda_arch.tiles import Event, Profile, Seen, Tile, merge_tiles, unit_tile
from streaming.outcome import Applied, Outcome
from streaming.state import Horizons, absorbed, has_replays

_record = msgspec.json.Decoder(Event | Post)

Records = Sequence[Event | Post]


def decode_gated(value: bytes) -> Event | Post:
    """The record of gated JSON; raises ValueError for what is none."""
    try:
        record: Event | Post = _record.decode(value)
    # A text that is no UTF-8, or that is nested without end, is none either.
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"not a gated record: {error}") from None
    return record


def in_pieces(records: Records, entities: int) -> Iterator[Records]:
    """The records again, those of so many entities at a time: each entity's together and in their order."""
    groups = iter(_by_entity(records).values())
    while piece := list(chain.from_iterable(islice(groups, entities))):
        yield piece


class Applier:
    """Applies gated records to the store with the models of the current generation, which it follows."""

    def __init__(self, store: Store, history_limit: int, top_n: int) -> None:
        self._store = store
        self._history_limit = history_limit
        self._top_n = top_n
        self._generations = Generations()
        self._models = Models(generation=0, horizon=0)

    @property
    def models(self) -> Models:
        """The models of the last call."""
        return self._models

    @property
    def epoch(self) -> int:
        """The pointer's epoch at the last call."""
        return self._generations.epoch

    def apply(self, values: Sequence[bytes]) -> Applied:
        """The `apply_records` of gated JSON; raises ValueError, and writes nothing, where some is none."""
        return self.apply_records([decode_gated(value) for value in values])

    def apply_records(self, records: Records) -> Applied:
        """Apply gated records, in their order; every entity is written when this returns.

        Raises redis's errors where the store is away: nothing is half-written, and the call may be repeated.
        Raises StoreError where the store lost its pointer, but not its entities.
        """
        applied = self._written(_by_entity(records))
        if records:
            self._store.advance_clock(max(record.event_time for record in records))
        return applied

    def rescore(self, entities: Iterable[str]) -> Applied:
        """Score anew what an older epoch said of entities, with no new records; raises as `apply` does.

        What the current epoch said stays, and is repeated. Nothing is done in a generation whose models are gone.
        """
        if not self.follow():
            return Outcome(0).applied([])
        return self._written({entity: [] for entity in entities})

    def follow(self) -> bool:
        """Load the current generation's models if it changed or had none; answers whether it has any."""
        self._generations = self._store.generations()
        current = self._generations.current
        if current != self._models.generation or (current and not self._models.in_service()):
            missing = Models(generation=current, horizon=self._generations.current_horizon)
            self._models = self._store.models(current) or missing
            # The collector need not go through a catalogue with every few batches: a sixth of an event's time.
            gc.collect()
            gc.freeze()
        return bool(self._models.in_service())

    def _written(self, pending: Mapping[str, Records]) -> Applied:
        outcome = Outcome(sum(map(len, pending.values())))
        while pending:
            self.follow()
            stored = dict(zip(pending, self._store.read_entities(list(pending), self._models.generation), strict=True))
            outcome.repeat(entity for entity, records in pending.items() if self._is_told(records, stored[entity]))
            commits = self._commits(pending, stored)
            note_views(self._store, commits)
            results = self._store.commit(commits)
            self._check_epoch(results)
            lost = outcome.add(commits, stored, results)
            pending = {entity: pending[entity] for entity in lost}
        applied = outcome.applied(self._store.said(outcome.repeated))
        # What a writer that died may have left out, as with announcements, is among what is repeated.
        note_trending(self._store, (*applied.predictions, *applied.repeated))
        return applied

    def _is_told(self, records: Records, stored: StoredEntity) -> bool:
        """Whether the store says already what the records, or none, lead to: but maybe nobody announced it."""
        return has_replays(stored.state, records) if records else self._is_current(stored)

    def _is_current(self, stored: StoredEntity) -> bool:
        return stored.state is None or stored.epoch == self._generations.epoch

    def _check_epoch(self, results: Iterable[CommitResult]) -> None:
        """A commit of an older epoch than the entity's is redone, unless the pointer itself is of an older one."""
        if not any(result.outdated for result in results) or self._store.generations().epoch > self._generations.epoch:
            return
        raise StoreError(
            f"the store has entities of a later epoch than its pointer `la:gen` ({self._generations.epoch}): the "
            "pointer was lost; stop gate and scorers, empty the store, and `lambda-arch rehydrate`"
        )

    def _commits(self, pending: Mapping[str, Records], stored: Mapping[str, StoredEntity]) -> list[Commit]:
        wanted = {entity: had for entity, had in stored.items() if pending[entity] or not self._is_current(had)}
        titles = [
            self._title_commit(entity, [post for post in pending[entity] if isinstance(post, Post)], had)
            for entity, had in wanted.items()
            if entity.startswith("t:")
        ]
        users = self._user_commits(
            (entity, [event for event in pending[entity] if isinstance(event, Event)], had)
            for entity, had in wanted.items()
            if entity.startswith("u:")
        )
        return [*users, *(commit for commit in titles if commit is not None)]

    def _user_commits(self, users: Iterable[tuple[str, Sequence[Event], StoredEntity]]) -> list[Commit]:
        """Commits of the users whose state changes; all are scored together."""
        changed = []
        for entity, sent, stored in users:
            events = [event for event in sent if not stored.erased or event.event_time > stored.erased]
            if sent and not events:
                continue
            before = decode_state(stored.state, Tile)
            state = absorbed(before, events, self._horizons(), self._unit_tile, self._merge)
            if state is not None:
                profile = self._merged(stored, state)
                new = self._new(events, stored, state, profile)
                changed.append((profile, self._commit(entity, stored, state, new)))
        # `now` is the entity's own newest event, never the wall clock, so that a replay gives the same answer.
        asked = [(commit.entity[2:], profile, self._now(profile.lifetime.last)) for profile, commit in changed]
        said = predict_each(asked, self._scoring(None))
        return [
            msgspec.structs.replace(commit, records=records) for (_, commit), records in zip(changed, said, strict=True)
        ]

    def _new(
        self, events: Sequence[Event], stored: StoredEntity, state: State[Tile], profile: Profile
    ) -> tuple[Seen, ...]:
        """Views of titles that the models do not know: by these events, after a flip or a rollback all since then."""
        since_then = () if self._is_current(stored) else since(state, self._models.horizon).values()
        return views_of_new(self._models.recommend, profile, events, since_then)

    def _merged(self, stored: StoredEntity, state: State[Tile]) -> Profile:
        return merged_profile(decode_profile(stored.profile), state, self._models.horizon, self._history_limit)

    def _title_commit(self, entity: str, posts: Sequence[Post], stored: StoredEntity) -> Commit | None:
        before = decode_state(stored.state, PostProfile)
        state = absorbed(before, posts, self._horizons(), self._unit_post, merge_post_profiles)
        if state is None:
            return None
        known = decode_post_profile(stored.profile)
        profile = merge_post_profiles([known, *since(state, self._models.horizon).values()])
        scoring = self._scoring(profile.lifetime.last)
        records = predict_title(entity[2:], profile, scoring)
        return msgspec.structs.replace(self._commit(entity, stored, state), records=records)

    def _commit(self, entity: str, stored: StoredEntity, state: State[Any], new: tuple[Seen, ...] = ()) -> Commit:
        """A commit that says nothing yet."""
        return Commit(entity, stored.version, self._generations.epoch, msgspec.msgpack.encode(state), [], new)

    def _horizons(self) -> Horizons:
        return Horizons(self._generations.current_horizon, self._generations.oldest_horizon())

    def _scoring(self, newest: int | None) -> Scoring:
        return Scoring(self._models, "speed", self._now(newest), wall_now(), self._top_n)

    def _now(self, newest: int | None) -> int:
        return max(self._models.horizon, newest or 0)

    def _unit_tile(self, event: Event) -> Tile:
        return unit_tile(event, self._models.genres)

    def _unit_post(self, post: Post) -> PostProfile:
        return post_profile(post_tile(self._models.sentiment, post.event_time, post.text))

    def _merge(self, tiles: Iterable[Tile]) -> Tile:
        return merge_tiles(tiles, self._history_limit)


def _by_entity(records: Records) -> dict[str, Records]:
    groups: dict[str, list[Event | Post]] = {}
    for record in records:
        entity = f"u:{record.user_id}" if isinstance(record, Event) else f"t:{record.title_id}"
        groups.setdefault(entity, []).append(record)
    return dict(groups)
