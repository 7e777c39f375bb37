"""An entity's state in the speed layer: its tiles since the horizon, what it has seen, and how records enter it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from lambda_arch.clock import day_of
from lambda_arch.posts import Post, PostProfile, PostTile, profile_of_days
from lambda_arch.records import UnknownSchemaError
from lambda_arch.tiles import Event, Tile

SCHEMA = 2
# Tiles of posts were by day alone: such a state is read, and written as one of this release.
DAYS_ALONE = 1
TileT = TypeVar("TileT", bound=Tile | PostProfile)
RecordT = TypeVar("RecordT", bound=Event | Post)


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


class Horizons(msgspec.Struct, frozen=True):
    """Microseconds: events before `current` are late; tiles are kept since `oldest`, so that a rollback is exact."""

    current: int
    oldest: int


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


def has_replays(stored: bytes | None, records: Iterable[Event | Post]) -> bool:
    """Whether the stored state has seen some of the records by their coordinates; raises UnknownSchemaError."""
    if stored is None:
        return False
    _known_schema(stored)
    fences = _account.decode(stored).fences
    return any(record.offset <= fences.get(_source(record), -1) for record in records)


def _known_schema(stored: bytes) -> int:
    schema = _version.decode(stored).schema
    if schema not in (DAYS_ALONE, SCHEMA):
        known = f"{DAYS_ALONE} and {SCHEMA}"
        raise UnknownSchemaError(f"state of schema {schema}, this release reads {known}: upgrade first")
    return schema


def _source(record: Event | Post) -> str:
    return f"{record.topic}/{record.partition}"


def absorbed(
    state: State[TileT],
    records: Sequence[RecordT],
    horizons: Horizons,
    unit: Callable[[RecordT], TileT],
    merge: Callable[[Iterable[TileT]], TileT],
) -> State[TileT] | None:
    """The state after the records, in their order; None where there are some and all of them are replays.

    A record is a replay if its offset is not past its partition's fence and the state knows its id or no longer would;
    a duplicate if its id was seen since the oldest horizon; late if the batch layer should have it. What lies before
    the oldest horizon is dropped.
    """
    fences, counts = dict(state.fences), state.counts
    ids = _ids_by_day(state, day_of(horizons.oldest))
    seen = set().union(*ids.values())
    units: dict[int, list[TileT]] = {}
    for record in records:
        source = _source(record)
        fence = fences.get(source, -1)
        duplicate, kept = record.id_hash in seen, record.event_time >= horizons.oldest
        # Where `gated` gained partitions, an entity's records came by two of them, and a later one may be the first:
        # what was overtaken has left no trace.
        if record.offset <= fence and (duplicate or not kept):
            continue
        fences[source] = max(fence, record.offset)
        late = record.event_time < horizons.current
        counts += Counts(duplicates=1) if duplicate else Counts(late=1) if late else Counts(applied=1)
        if kept and not duplicate:
            day = day_of(record.event_time)
            seen.add(record.id_hash)
            ids.setdefault(day, set()).add(record.id_hash)
            units.setdefault(day, []).append(unit(record))
    if records and counts == state.counts:
        return None
    # Sorted, so that the same records give the same bytes whichever way they came.
    packed = {day: np.array(sorted(ids[day]), dtype=np.int64).tobytes() for day in sorted(ids)}
    tiles = _merged(since(state, horizons.oldest), units, merge)
    return State(SCHEMA, tiles, packed, dict(sorted(fences.items())), counts)


def since(state: State[TileT], horizon: int) -> dict[int, TileT]:
    """The state's tiles at or after a horizon on a tile edge."""
    return {day: tile for day, tile in state.tiles.items() if day >= day_of(horizon)}


def _by_day_alone(stored: bytes) -> State[Any]:
    state: State[Any] = _days_alone.decode(stored)
    tiles = {day: profile_of_days({day: tile}) for day, tile in state.tiles.items()}
    return msgspec.structs.replace(state, schema=SCHEMA, tiles=tiles)


def _ids_by_day(state: State[TileT], first: int) -> dict[int, set[int]]:
    return {day: set(np.frombuffer(ids, dtype=np.int64).tolist()) for day, ids in state.ids.items() if day >= first}


def _merged(
    tiles: dict[int, TileT], units: dict[int, list[TileT]], merge: Callable[[Iterable[TileT]], TileT]
) -> dict[int, TileT]:
    merged = dict(tiles)
    for day, added in units.items():
        merged[day] = merge([merged[day], *added] if day in merged else added)
    return dict(sorted(merged.items()))
