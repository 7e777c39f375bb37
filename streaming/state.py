"""How records enter an entity's state: each once, however often and in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from lambda_arch.clock import day_of
from lambda_arch.posts import Post
from lambda_arch.states import SCHEMA, Counts, State, TileT, fences_of, since
from lambda_arch.tiles import Event

RecordT = TypeVar("RecordT", bound=Event | Post)


class Horizons(msgspec.Struct, frozen=True):
    """Microseconds: events before `current` are late; tiles are kept since `oldest`, so that a rollback is exact."""

    current: int
    oldest: int


def has_replays(stored: bytes | None, records: Iterable[Event | Post]) -> bool:
    """Whether the stored state has seen some of the records by their coordinates; raises UnknownSchemaError."""
    if stored is None:
        return False
    fences = fences_of(stored)
    return any(record.offset <= fences.get(_source(record), -1) for record in records)


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


def _ids_by_day(state: State[TileT], first: int) -> dict[int, set[int]]:
    return {day: set(np.frombuffer(ids, dtype=np.int64).tolist()) for day, ids in state.ids.items() if day >= first}


def _merged(
    tiles: dict[int, TileT], units: dict[int, list[TileT]], merge: Callable[[Iterable[TileT]], TileT]
) -> dict[int, TileT]:
    merged = dict(tiles)
    for day, added in units.items():
        merged[day] = merge([merged[day], *added] if day in merged else added)
    return dict(sorted(merged.items()))
