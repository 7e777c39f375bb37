"""Generations in the store: their numbers, whether one is whole, the way back to the previous one, and dropping."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import Any

import msgspec

from lambda_arch.audience import NOTED, SHARDS
from lambda_arch.clock import rfc3339
from lambda_arch.keys import Generations, fidelity_key, model_key, said_key, speed_key
from lambda_arch.store import Store

SCAN = 10_000  # keys looked at in one round trip


class RollbackError(RuntimeError):
    """There is no way back; what is in service stays in service."""


class _Size(msgspec.Struct):
    users: int
    titles: int
    pieces: int = 0  # what the release before published has no lists


# Made once, here: msgspec 0.22 crashes where two threads are the first to ask for the same type.
_size = msgspec.json.Decoder(_Size)


def generation_number(store: Store, published: dict[int, int], horizon: int) -> int:
    """The number of the generation at a horizon, reserved for it; `published`: horizon by number, as the lake has it.

    A number is never another horizon's, even if its night died, and never a withdrawn generation's again.
    """
    taken = {**published, **store.numbers()}
    withdrawn = store.generations().withdrawn
    same = [number for number, at in taken.items() if at == horizon and number not in withdrawn]
    number = max(same) if same else max(taken, default=0) + 1
    store.reserve(number, horizon)
    return number


def roll_back(store: Store, to: int | None = None) -> Generations:
    """Make the previous generation current again; answers the new pointer.

    Exact: its tiles were kept since its horizon, and what the speed layer said with the withdrawn one is out at once.
    Raises RollbackError where there is no previous generation, where `to` is another, or where it is not whole.
    """
    pointer = store.generations()
    if not pointer.previous:
        raise RollbackError(f"nothing to roll back to: generation {pointer.current} has none before it in service")
    if to not in (None, pointer.previous):
        raise RollbackError(
            f"cannot roll back to generation {to}: only {pointer.previous} is kept whole, with all that was streamed "
            "since its horizon"
        )
    if missing := faults(store, pointer.previous):
        raise RollbackError(f"generation {pointer.previous} is not whole: {missing}; run a new night instead")
    if not store.roll_back(pointer):
        raise RollbackError("a night published a generation meanwhile: look at `lambda-arch generations list`")
    return store.generations()


def faults(store: Store, generation: int) -> str | None:
    """What the store lacks of a generation, or None where it is whole."""
    report = store.report(generation)
    lacking = {"models": store.models(generation), "fidelity": store.fidelity(generation), "report": report}
    gone = [name for name, found in lacking.items() if found is None]
    if report is None or gone:
        return f"its {' and '.join(gone)} are gone"
    size = _size.decode(report)
    # A set: a scan may show a key twice.
    found = len({hash(key) for key in _keys(store, str(generation))})
    if found < size.users + size.titles:
        return f"{found} of {size.users + size.titles} entities are there"
    there = pieces_there(store, generation) if size.pieces else 0
    return None if there >= size.pieces else f"{there} of {size.pieces} pieces of its lists are there"


def pieces_there(store: Store, generation: int) -> int:
    """How many pieces the store has of a generation's lists."""
    lists, pipe = store.lists(generation), store.redis.pipeline(transaction=False)
    for key in lists.piece_keys() if lists else ():
        pipe.exists(key)
    return sum(pipe.execute())


def summaries(store: Store) -> list[dict[str, Any]]:
    """Number, horizon, state, sizes and models of every generation with a report, the newest first."""
    pointer, rows = store.generations(), []
    for number, horizon in sorted(store.numbers().items(), reverse=True):
        if (found := store.report(number)) is not None:
            report = msgspec.json.decode(found)
            told = {name: report[name] for name in ("users", "titles", "models", "trained_in")}
            rows.append({"generation": number, "horizon": rfc3339(horizon), "state": state(number, pointer), **told})
    return rows


def state(number: int, pointer: Generations) -> str:
    """What a generation is to readers."""
    if number in pointer.withdrawn:
        return "withdrawn"
    return {pointer.current: "current", pointer.previous: "previous"}.get(number, "past")


def retire(store: Store, keep: Collection[int]) -> int:
    """Drop what the store has of all generations but some, the numbers and reports apart; answers how many keys."""
    dropped, batch = 0, []
    for key in _keys(store, "*"):
        if int(key.rpartition(b":")[2]) not in keep:
            batch.append(key)
        if len(batch) == SCAN:
            dropped += store.redis.unlink(*batch)
            batch = []
    gone = [number for number in store.numbers() if number not in keep]
    batch += [key(number).encode() for number in gone for key in (model_key, fidelity_key)]
    batch += [key for key in store.redis.scan_iter(match="la:audience:*", count=SCAN) if _number(key) not in keep]
    return dropped + int(store.redis.unlink(*batch) if batch else 0)


def forget_silent(store: Store) -> int:
    """Drop the notes of users whose speed record has lapsed or was erased; answers how many."""
    dropped = 0
    for use_case, shard in product(NOTED, range(SHARDS)):
        key = said_key(use_case, shard)
        users = [user for user, _ in store.redis.zscan_iter(key, count=SCAN)]
        for start in range(0, len(users), SCAN):
            gone = lapsed(store, users[start : start + SCAN], use_case)
            dropped += store.redis.zrem(key, *gone) if gone else 0
    return dropped


def lapsed(store: Store, users: Sequence[bytes], field: str) -> list[bytes]:
    """Those of the users of whom the speed layer has no such field; one round trip."""
    pipe = store.redis.pipeline(transaction=False)
    for user in users:
        pipe.hexists(speed_key(f"u:{user.decode()}"), field)
    return [user for user, there in zip(users, pipe.execute(), strict=True) if not there]


def _number(key: bytes) -> int:
    """The generation of a key of lists."""
    return int(key.split(b":")[2])


def _keys(store: Store, number: str) -> Iterator[bytes]:
    """The keys of a generation's entities; of all generations for `*`."""
    for key in store.redis.scan_iter(match=f"la:{{*}}:g:{number}", count=SCAN):
        if key.rpartition(b":")[2].isdigit():
            yield key
