"""Erasing in the store: the registry of erasures, and all that is said of a user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lambda_arch.audience import NOTED, shard_of
from lambda_arch.erasures import Erasure, decode_erasure, encode_erasure, erased_until, person_of
from lambda_arch.keys import ERASURES_KEY, exposures_key, generation_key, said_key, speed_key
from lambda_arch.new_titles import forget_viewer
from lambda_arch.scripts import FORGET, NOTE, STRIKE
from lambda_arch.store import Store
from lambda_arch.tiles import Profile, Tile

# How long a speed state's version outlives it: a scorer that had read the state must not write it again.
FENCE_SECONDS = 3600


class _State(msgspec.Struct, array_like=True):
    """The beginning of a stored speed state, whatever follows."""

    schema: int
    tiles: dict[int, Tile]


_profile, _state = msgspec.msgpack.Decoder(Profile), msgspec.msgpack.Decoder(_State)


def note(store: Store, erasures: Iterable[Erasure]) -> None:
    """Enter erasures into the store's registry; an earlier one never replaces a later one."""
    script = store.redis.register_script(NOTE)
    for erasure in erasures:
        script(keys=[ERASURES_KEY], args=[erasure.person, erasure.moment, encode_erasure(erasure)])


def noted(store: Store) -> dict[str, Erasure]:
    """The store's registry, by person."""
    return {key.decode(): decode_erasure(value) for key, value in store.redis.hgetall(ERASURES_KEY).items()}


def noted_moment(store: Store, user_id: str) -> int:
    """Until when the store's registry has a user erased (microseconds); 0 for who was not."""
    return erased_until(store.redis.hget(ERASURES_KEY, person_of(user_id)))


def forget(store: Store, user_id: str) -> int:
    """Remove all that the store says of a user, of every generation and of the stream; answers how many keys.

    The state's version stays for an hour, so that who has read the state cannot write it again.
    """
    entity, known = f"u:{user_id}", store.generations()
    numbers = {*store.numbers(), known.current, known.previous} - {0}
    gone = forget_in(store, [entity], numbers)
    fence = store.redis.register_script(FORGET)
    gone += int(fence(keys=[speed_key(entity)], args=[FENCE_SECONDS]))
    gone += int(store.redis.unlink(exposures_key(entity)))
    for use_case in NOTED:
        store.redis.zrem(said_key(use_case, shard_of(entity)), user_id)
    forget_viewer(store, user_id)
    return gone


def forget_in(store: Store, entities: Sequence[str], generations: Iterable[int]) -> int:
    """Remove what generations say of users, and the users from their lists; answers how many keys are gone."""
    numbers = sorted(generations)
    _strike(store, [entity[2:] for entity in entities], numbers)
    keys = [[generation_key(entity, number) for number in numbers] for entity in entities]
    return sum(int(store.redis.unlink(*of_one)) for of_one in keys if of_one)


def _strike(store: Store, users: Sequence[str], generations: Iterable[int]) -> None:
    strike, pipe = store.redis.register_script(STRIKE), store.redis.pipeline(transaction=False)
    for lists in filter(None, map(store.lists, generations)):
        for key in lists.piece_keys():
            strike(keys=[key], args=users, client=pipe)
    pipe.execute()


def newest_moment(store: Store, user_id: str) -> int:
    """The newest event time that the store knows of a user (microseconds); 0 where it knows nobody of the id."""
    tiles = [profile.lifetime for profile in profiles(store, user_id).values()]
    state = state_tiles(store, user_id)
    return max((tile.last or 0 for tile in [*tiles, *state.values()]), default=0)


def profiles(store: Store, user_id: str) -> dict[int, Profile]:
    """The profiles of a user in the generations in service, by number."""
    known = store.generations()
    stored = {n: store.entity(f"u:{user_id}", n).get("profile") for n in (known.current, known.previous) if n}
    return {number: _profile.decode(profile) for number, profile in stored.items() if profile}


def state_tiles(store: Store, user_id: str) -> dict[int, Tile]:
    """The tiles of a user's speed state, by day (since 1970 UTC)."""
    stored = store.redis.hget(speed_key(f"u:{user_id}"), "state")
    return _state.decode(stored).tiles if stored else {}
