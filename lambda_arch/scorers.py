"""What scorers and queries note in the store of themselves: how they stand, and whose entities were scored anew."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_arch.clock import SECOND, wall_now
from lambda_arch.keys import LIVING_KEY, LIVING_SECONDS, RESCORED_KEY, query_key, scorer_key
from lambda_arch.store import Store


def put_scorer(store: Store, scorer: str, report: bytes) -> None:
    """Write what a scorer tells of itself (JSON)."""
    _tell(store, scorer_key(scorer), report)


def scorers(store: Store) -> list[bytes]:
    """What each living scorer told of itself last, by name."""
    return _told(store, scorer_key(""))


def put_query(store: Store, query: str, trigger: bytes) -> None:
    """Write what a query of the speed layer tells of its last trigger (JSON)."""
    _tell(store, query_key(query), trigger)


def queries(store: Store) -> list[bytes]:
    """What each living query told of its last trigger, by name."""
    return _told(store, query_key(""))


def rescored(store: Store) -> dict[str, int]:
    """The epoch in which the silent entities of each partition were last scored anew."""
    return {name.decode(): int(epoch) for name, epoch in store.redis.hgetall(RESCORED_KEY).items()}


def note_rescored(store: Store, partitions: Iterable[str], epoch: int) -> None:
    """Note that the entities of partitions are all of an epoch."""
    store.redis.hset(RESCORED_KEY, mapping=dict.fromkeys(partitions, epoch))


def _tell(store: Store, key: str, told: bytes) -> None:
    # Kept by name too: looking for the keys would go through all that the store has.
    now = wall_now() // SECOND
    pipe = store.redis.pipeline(transaction=False)
    pipe.set(key, told, ex=LIVING_SECONDS)
    pipe.zadd(LIVING_KEY, {key: now})
    pipe.zremrangebyscore(LIVING_KEY, "-inf", now - LIVING_SECONDS)
    pipe.execute()


def _told(store: Store, prefix: str) -> list[bytes]:
    keys = sorted(key for name in store.redis.zrange(LIVING_KEY, 0, -1) if (key := name.decode()).startswith(prefix))
    pipe = store.redis.pipeline(transaction=False)
    for key in keys:
        pipe.get(key)
    return [told for told in pipe.execute() if told]
