"""What is streamed: a wave's events and posts as lines for the producer, a little out of order, some of them twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.chance import chance

SWAPPED_SHARE = 0.05
AGAIN_SHARE = 0.03

Line = dict[str, Any]


def wave(events: Sequence[dict[str, Any]], posts: Sequence[dict[str, Any]]) -> list[Line]:
    """The lines of a wave: by event time, some neighbours swapped, some sent again later."""
    lines = [{"topic": "events", "key": event["user_id"], "value": event} for event in events]
    lines += [{"topic": "posts", "key": post["title_id"], "value": post} for post in posts]
    return with_duplicates(disordered(sorted(lines, key=lambda line: (line["value"]["event_time"], id_of(line)))))


def id_of(line: Line) -> str:
    """The id of a line's event or post."""
    value = line["value"]
    return str(value["event_id"] if line["topic"] == "events" else value["post_id"])


def disordered(lines: Sequence[Line]) -> list[Line]:
    """Some lines change places with the next."""
    mixed, place = list(lines), 0
    while place < len(mixed) - 1:
        swapped = chance("swap", id_of(mixed[place])) < SWAPPED_SHARE
        if swapped:
            mixed[place], mixed[place + 1] = mixed[place + 1], mixed[place]
        place += 1 + swapped
    return mixed


def with_duplicates(lines: Sequence[Line]) -> list[Line]:
    """Some lines come again, anywhere after the first time."""
    placed = [(float(place), line) for place, line in enumerate(lines)]
    for place, line in enumerate(lines):
        if chance("again", id_of(line)) < AGAIN_SHARE:
            later = place + 0.5 + chance("later", id_of(line)) * (len(lines) - place)
            placed.append((later, line))
    return [line for _, line in sorted(placed, key=lambda pair: pair[0])]
