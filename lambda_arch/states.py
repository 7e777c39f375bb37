"""An entity's state in the speed layer as it is stored: tiles since the horizon, what it has seen, and counts.

Stream and serving both read it: what came since the night is in its tiles.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from lambda_arch.clock import day_of
from lambda_arch.posts import PostProfile, PostTile, profile_of_days
from lambda_arch.records import UnknownSchemaError
from lambda_arch.tiles import Tile

SCHEMA = 2
# Tiles of posts were by day alone: such a state is read, and written as one of this release.
DAYS_ALONE = 1
TileT = TypeVar("TileT", bound=Tile | PostProfile)


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """What became of an entity's records, each source coordinate once: exact, since written with the state."""

    applied: int = 0
    duplicates: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.applied + other.applied, self.duplicates + other.duplicates, self.late + other.late)

    def __sub__(self, other: Counts) -> Counts:
        """What came after the other."""
        return Counts(self.applied - other.applied, self.duplicates - other.duplicates, self.late - other.late)


class State(msgspec.Struct, Generic[TileT], frozen=True, array_like=True):
    """By day, tiles and the hashes of the ids in them (int64); newest offset per source partition; counts."""

    schema: int = SCHEMA
    tiles: dict[int, TileT] = {}
    ids: dict[int, bytes] = {}
    fences: dict[str, int] = {}
    counts: Counts = Counts()


class _Versioned(msgspec.Struct, array_like=True):
    schema: int = SCHEMA  # read by itself first: a state of another release need not have this release's fields


class _Account(msgspec.Struct, array_like=True):
    schema: int
    tiles: msgspec.Raw
    ids: msgspec.Raw
    fences: dict[str, int]
    counts: Counts


_version = msgspec.msgpack.Decoder(_Versioned)
_account = msgspec.msgpack.Decoder(_Account)
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(State[kind])  # type: ignore[valid-type]
    for kind in (Tile, PostProfile)
}
_days_alone = msgspec.msgpack.Decoder(State[PostTile])  # type: ignore[type-var]


def decode_state(stored: bytes | None, tile: type[TileT]) -> State[TileT]:
    """The state of stored msgpack, empty where there is none; that of the release before is brought up to date.

    Raises UnknownSchemaError for any other release's.
    """
    if stored is None:
        return State()
    schema = _known_schema(stored)
    if schema == DAYS_ALONE and tile is PostProfile:
        return _by_day_alone(stored)
    state: State[TileT] = _decoders[tile].decode(stored)
    return state if schema == SCHEMA else msgspec.structs.replace(state, schema=SCHEMA)


def counts_of(stored: bytes) -> Counts:
    """The counts of a stored state, whatever its tiles, which are passed over."""
    return _account.decode(stored).counts


def fences_of(stored: bytes) -> dict[str, int]:
    """The newest offset applied of each source partition, by the stored state; raises UnknownSchemaError."""
    _known_schema(stored)
    return _account.decode(stored).fences


def since(state: State[TileT], horizon: int) -> dict[int, TileT]:
    """The state's tiles at or after a horizon on a tile edge."""
    return {day: tile for day, tile in state.tiles.items() if day >= day_of(horizon)}


def _known_schema(stored: bytes) -> int:
    schema = _version.decode(stored).schema
    if schema not in (DAYS_ALONE, SCHEMA):
        known = f"{DAYS_ALONE} and {SCHEMA}"
        raise UnknownSchemaError(f"state of schema {schema}, this release reads {known}: upgrade first")
    return schema


def _by_day_alone(stored: bytes) -> State[Any]:
    state: State[Any] = _days_alone.decode(stored)
    tiles = {day: profile_of_days({day: tile}) for day, tile in state.tiles.items()}
    return msgspec.structs.replace(state, schema=SCHEMA, tiles=tiles)
