"""What the speed layer has in a store, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from lambda_arch.keys import NEW_TITLES_KEY, speed_key, viewers_key
from lambda_arch.records import USE_CASES, Prediction, decode
from lambda_arch.states import Counts, counts_of
from lambda_arch.store import Store


class Entity(NamedTuple):
    """An entity's state as stored, and its records but for when they were written."""

    state: bytes
    records: dict[str, Prediction]


Content = Mapping[str, Entity]


def content(store: Store) -> Content:
    """All entities that have a state."""
    return {entity: Entity(state, records(store, entity)) for entity, state in store.speed_states()}


def records(store: Store, entity: str) -> dict[str, Prediction]:
    """What the speed layer says of an entity, by use case."""
    stored = zip(USE_CASES, store.redis.hmget(speed_key(entity), *USE_CASES), strict=True)
    return {name: msgspec.structs.replace(decode(said), written_at="") for name, said in stored if said}


def counts(store: Store, prefix: str = "") -> Counts:
    """The sum over all states, or those of entities that begin so."""
    return sum((counts_of(state) for entity, state in store.speed_states() if entity.startswith(prefix)), Counts())


def views(store: Store) -> dict[str, dict[str, int]]:
    """Who saw each title that came up since the night, and when last (microseconds)."""
    titles = [title.decode() for title in store.redis.zrange(NEW_TITLES_KEY, 0, -1)]
    stored = {title: store.redis.zrange(viewers_key(title), 0, -1, withscores=True) for title in titles}
    return {title: {viewer.decode(): int(time) for viewer, time in found} for title, found in stored.items()}
