"""What the gate has rejected of late: the newest records of topic `quarantine`, counted and shown, without Spark.

The lake has all of them, with what became of each; `lambda-arch quarantine` lists, fixes and replays them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Message

from lambda_arch.topic_reader import reading

LONGEST = 2000  # characters of a record that are shown


class Reject(NamedTuple):
    """A rejected record: the reason, where it came from, when it was seen, and its bytes as text."""

    reason: str
    coordinates: str
    seen_at: str
    value: str


class Looked(NamedTuple):
    """What a look at the topic saw: how many records it holds, and the newest of them."""

    held: int
    rejects: list[Reject]


def newest(bootstrap: str, topic: str, most: int) -> Looked:
    """At most so many of the newest records, the newest first; raises TopicError."""
    with reading(bootstrap, topic) as reader:
        ends = reader.ends()
        share = -(-most // max(1, len(ends)))
        held = sum(high - low for low, high in ends.values())
        starts = {number: max(low, high - share) for number, (low, high) in ends.items()}
        messages = reader.read(starts, {number: high for number, (_, high) in ends.items()})
        found = [_reject(message) for message in messages]
    return Looked(held, sorted(found, key=lambda reject: (reject.seen_at, reject.coordinates), reverse=True)[:most])


def counted(rejects: Sequence[Reject]) -> list[tuple[str, int]]:
    """How many there are by reason, the most frequent first."""
    counts = Counter(reject.reason for reject in rejects)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _reject(message: Message) -> Reject:
    headers = {str(name): _text(value) for name, value in list(message.headers() or ())}
    source = "/".join(headers.get(f"source_{part}", "?") for part in ("topic", "partition", "offset"))
    value = _text(message.value())[:LONGEST]
    return Reject(headers.get("reason", "unknown"), source, headers.get("seen_at", ""), value)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
