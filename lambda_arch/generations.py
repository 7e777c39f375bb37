"""Generations in the store: their numbers, whether one is whole, the way back to the previous one, and dropping."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from lambda_arch.clock import rfc3339
from lambda_arch.keys import Generations, fidelity_key, model_key
from lambda_arch.store import Store

SCAN = 10_000  # keys looked at in one round trip


class RollbackError(RuntimeError):
    """There is no way back; what is in service stays in service."""


class _Size(msgspec.Struct):
    users: int
    titles: int


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
    return None if found >= size.users + size.titles else f"{found} of {size.users + size.titles} entities are there"


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
    return dropped + int(store.redis.unlink(*batch) if batch else 0)


def _keys(store: Store, number: str) -> Iterator[bytes]:
    """The keys of a generation's entities; of all generations for `*`."""
    for key in store.redis.scan_iter(match=f"la:{{*}}:g:{number}", count=SCAN):
        if key.rpartition(b":")[2].isdigit():
            yield key
