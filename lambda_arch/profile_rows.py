"""Profiles out of Arrow: a batch of schema PROFILE column by column, several times faster than row by row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lambda_arch.tiles import Account, Profile, Seen, Tile


def profiles_of(batch: pa.RecordBatch) -> list[Profile]:
    """The profiles of a batch of schema PROFILE, in its order."""
    days = batch.column("days")
    tiles = dict(enumerate(_tiles(days.values.field("tile"))))
    numbers = _plain(days.values.field("day"))
    by_day = [
        {numbers[place]: tiles[place] for place in sorted(span, key=numbers.__getitem__)} for span in _spans(days)
    ]
    return list(map(Profile, _tiles(batch.column("lifetime")), by_day))


def _tiles(column: pa.StructArray) -> list[Tile]:
    return list(
        map(
            Tile, _maps(column.field("counts")), _plain(column.field("watched")), _plain(column.field("rated")),
            _maps(column.field("genres")), _plain(column.field("first")), _plain(column.field("last")),
            _accounts(column.field("account")), _histories(column.field("history")),
        )
    )  # fmt: skip


def _histories(column: pa.ListArray) -> list[tuple[Seen, ...]]:
    seen = list(map(Seen, *(_plain(column.values.field(name)) for name in ("time", "event", "title", "strength"))))
    return [tuple(seen[span.start : span.stop]) for span in _spans(column)]


def _accounts(column: pa.StructArray) -> list[Account | None]:
    times, events = _plain(column.field("time")), _plain(column.field("event"))
    there = column.is_valid().to_pylist() if column.null_count < len(column) else [False] * len(column)
    attributes = _maps(column.field("attributes"))
    return [Account(*found) if valid else None for valid, *found in zip(there, times, events, attributes, strict=True)]


def _maps(column: pa.MapArray) -> list[dict[str, Any]]:
    """Sorted by key."""
    entries = list(zip(_plain(column.keys), _plain(column.items), strict=True))
    return [dict(sorted(entries[span.start : span.stop])) for span in _spans(column)]


def _spans(column: pa.ListArray) -> list[range]:
    offsets = column.offsets.to_pylist()
    return list(map(range, offsets[:-1], offsets[1:]))


def _plain(column: pa.Array) -> list[Any]:
    """The values as Python's; by way of numpy, several times faster, unless nulls would turn numbers to floats."""
    return list(column.to_pylist() if column.null_count else column.to_numpy(zero_copy_only=False).tolist())
