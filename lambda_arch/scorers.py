"""What scorers and queries note in the store of themselves: how they stand, and whose entities were scored anew."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_arch.keys import RESCORED_KEY, query_key, scorer_key
from lambda_arch.store import Store

SECONDS = 20  # after which one that tells nothing more is forgotten


def put_scorer(store: Store, scorer: str, report: bytes) -> None:
    """Write what a scorer tells of itself (JSON)."""
    store.redis.set(scorer_key(scorer), report, ex=SECONDS)


def scorers(store: Store) -> list[bytes]:
    """What each living scorer told of itself last, by name."""
    return _told(store, scorer_key("*"))


def put_query(store: Store, query: str, trigger: bytes) -> None:
    """Write what a query of the speed layer tells of its last trigger (JSON)."""
    store.redis.set(query_key(query), trigger, ex=SECONDS)


def queries(store: Store) -> list[bytes]:
    """What each living query told of its last trigger, by name."""
    return _told(store, query_key("*"))


def rescored(store: Store) -> dict[str, int]:
    """The epoch in which the silent entities of each partition were last scored anew."""
    return {name.decode(): int(epoch) for name, epoch in store.redis.hgetall(RESCORED_KEY).items()}


def note_rescored(store: Store, partitions: Iterable[str], epoch: int) -> None:
    """Note that the entities of partitions are all of an epoch."""
    store.redis.hset(RESCORED_KEY, mapping=dict.fromkeys(partitions, epoch))


def _told(store: Store, pattern: str) -> list[bytes]:
    keys = sorted(store.redis.scan_iter(match=pattern, count=1000))
    return [told for told in (store.redis.mget(keys) if keys else []) if told]
