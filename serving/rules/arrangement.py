"""The order of titles that may be shown: variety, repeats, pins. Pure: rows in, rows out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

Labels = Callable[[int], Sequence[tuple[str, str]]]


def spread(rows: Sequence[int], labels: Labels, most: Mapping[str, int], within: int, count: int) -> list[int]:
    """The rows in such an order that of any `within` in a row no label has more than `most` of its kind.

    A label is (kind, name), such as ("genre", "Drama"). Of those that fit each next is the first; where none fits, the
    first of all: nothing is dropped. Only the first `count` places are put in order, the rest follows as it was.
    """
    left = list(rows)
    placed: list[int] = []
    while left and len(placed) < count:
        near = Counter(label for row in placed[max(0, len(placed) - within + 1) :] for label in labels(row))
        full = {label for label, times in near.items() if label[0] in most and times >= most[label[0]]}
        place = next((place for place, row in enumerate(left) if full.isdisjoint(labels(row))), 0)
        placed.append(left.pop(place))
    return [*placed, *left]


def pinned(rows: Sequence[int], pins: Mapping[int, int]) -> list[int]:
    """The rows with those of `pins` (place from 0 -> row) at their places; at the end of a list that is too short."""
    fixed = set(pins.values())
    arranged = [row for row in rows if row not in fixed]
    for place in sorted(pins):
        arranged.insert(place, pins[place])
    return arranged
