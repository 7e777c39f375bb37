"""Erase and export one person: what the store says is gone at once, what the lake has with the next night."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from lambda_arch.clock import DAY, rfc3339, wall_now
from lambda_arch.config import Config
from lambda_arch.erasures import Erasure, encode_erasure, person_of
from lambda_arch.exposures import shown
from lambda_arch.forgetting import forget, newest_moment, note, noted_moment, profiles, state_tiles
from lambda_arch.keys import exposures_key, speed_key
from lambda_arch.records import USER_USE_CASES
from lambda_arch.store import Store
from lambda_arch.tiles import Profile, Tile
from serving.outbox import Outbox, Outgoing

# Asks the store in a thread of its own.
Ask = Callable[[Callable[[Store], Any]], Awaitable[Any]]


class IncompleteError(RuntimeError):
    """An erasure is not complete; the message says what was done. To ask again completes it."""


async def erased(ask: Ask, outbox: Outbox, config: Config, user_id: str, asked_by: str | None) -> tuple[Erasure, int]:
    """Erase a person: registered in topic and store, gone from store and announcements; and how many keys that were.

    Raises IncompleteError where the broker does not acknowledge, StoreError.
    """
    erasure: Erasure = await ask(lambda store: erasure_of(store, config, user_id, asked_by))
    [registered] = await outbox.send([registration(config, erasure)])
    if registered.fault:
        raise IncompleteError(f"nothing was erased ({registered.fault}): ask again")
    keys: int = await ask(lambda store: erase(store, erasure, user_id))
    receipts = await outbox.send(tombstones(config, user_id))
    if fault := next((receipt.fault for receipt in receipts if receipt.fault), None):
        raise IncompleteError(
            f"registered, and erased in the store, but still among the announcements ({fault}): ask again"
        )
    return erasure, keys


def erasure_of(store: Store, config: Config, user_id: str, asked_by: str | None) -> Erasure:
    """An erasure of all that happened until now, by the configured clock, or until the user's newest event."""
    wall = wall_now()
    now = wall if config.clock == "wall" else store.event_now()
    # The topic keeps each person's newest erasure: it must not be of an earlier moment than the one before.
    moment = max(now, newest_moment(store, user_id), noted_moment(store, user_id))
    return Erasure(person=person_of(user_id), moment=moment, asked_at=rfc3339(wall), asked_by=asked_by)


def registration(config: Config, erasure: Erasure) -> Outgoing:
    """The erasure, for the topic that outlives the store."""
    return Outgoing(config.kafka.topics.erasures, erasure.person.encode(), encode_erasure(erasure))


def tombstones(config: Config, user_id: str) -> list[Outgoing]:
    """What makes the broker forget what was announced of a user."""
    keys = [f"{use_case}:u:{user_id}" for use_case in USER_USE_CASES]
    return [Outgoing(config.kafka.topics.predictions, key.encode(), None) for key in keys]


def erase(store: Store, erasure: Erasure, user_id: str) -> int:
    """Enter the erasure, then remove the user's keys; answers how many. In this order: see batch/publish.py."""
    note(store, [erasure])
    return forget(store, user_id)


def export(store: Store, user_id: str) -> dict[str, Any]:
    """All that the store holds of a user; the events themselves are the lake's (`lambda-arch export-user`)."""
    entity, known = f"u:{user_id}", store.generations()
    numbers = [number for number in (known.current, known.previous) if number]
    found, erased_until = profiles(store, user_id), noted_moment(store, user_id)
    return {
        "user_id": user_id,
        "exported_at": rfc3339(wall_now()),
        "batch": [{"generation": n, "records": _records(store.entity(entity, n)),
                   "profile": _profile(found[n]) if n in found else None} for n in numbers],
        "speed": {"records": _records(_speed(store, entity)), "days": _days(state_tiles(store, user_id))},
        "exposures": _exposures(store, entity),
        "erased_until": rfc3339(erased_until) if erased_until else None,
    }  # fmt: skip


def _speed(store: Store, entity: str) -> dict[str, bytes]:
    return {name.decode(): value for name, value in store.redis.hgetall(speed_key(entity)).items()}


def _exposures(store: Store, entity: str) -> dict[str, dict[str, int]]:
    """How often which title was shown, by day."""
    counts = store.redis.hgetall(exposures_key(entity))
    by_day: dict[str, dict[str, int]] = {}
    for day, title, times, _ in shown([part for pair in counts.items() for part in pair]):
        by_day.setdefault(rfc3339(day * DAY)[:10], {})[title] = times
    return by_day


def _records(stored: dict[str, bytes]) -> dict[str, Any]:
    return {name: msgspec.json.decode(stored[name]) for name in USER_USE_CASES if name in stored}


def _profile(profile: Profile) -> dict[str, Any]:
    return {"lifetime": _tile(profile.lifetime), "days": _days(profile.days)}


def _days(tiles: dict[int, Tile]) -> dict[str, Any]:
    return {rfc3339(day * DAY)[:10]: _tile(tile) for day, tile in tiles.items()}


def _tile(tile: Tile) -> dict[str, Any]:
    """A tile with names; sums in millionths, as they are kept."""
    account = None if tile.account is None else msgspec.structs.asdict(tile.account)
    history = [msgspec.structs.asdict(seen) for seen in tile.history]
    return {**msgspec.structs.asdict(tile), "account": account, "history": history}
