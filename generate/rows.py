"""Events as columns of numbers, before they get their form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from generate.plan import Bools, Floats, Ints
from lambda_arch.tiles import EVENT_TYPES


@dataclass(frozen=True)
class Events:
    """One event a row; title -1 and value NaN: none; times in milliseconds; `place` is an index of properties."""

    number: Ints
    kind: Ints
    user: Ints
    title: Ints
    time: Ints
    value: Floats
    place: Ints
    arrival: Ints

    def __len__(self) -> int:
        """How many events."""
        return len(self.number)

    def taken(self, rows: Ints | Bools | slice) -> Events:
        """Those rows."""
        return Events(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def arriving(self, arrival: Ints) -> Events:
        """The same, arriving then."""
        return replace(self, arrival=arrival)


def kind(event_type: str) -> int:
    """The number of an event type."""
    return EVENT_TYPES.index(event_type)


def together(parts: Sequence[Events]) -> Events:
    """All the parts' events, in their order."""
    return Events(**{field.name: np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Events)})
