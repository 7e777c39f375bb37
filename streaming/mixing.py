"""Records as a real source sends them: some again, some out of order, some late, malformed ones among them.

Every record is sent at least once: nothing is lost by it. What was drawn for which record depends on the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from heapq import heappop, heappush
from itertools import count
from typing import Literal

from streaming.poison import ID, VALID, faults
from streaming.produce import ProduceError, Record

# A disordered record is overtaken by so many of the source's at most; a repeated one comes again at most so much later.
DISORDERED_PLACES = 20
AGAIN_PLACES = 1_000
# Or at the end of the source, where that is nearer.
LATE_PLACES = (1_000, 10_000)

What = Literal["in order", "disordered", "late", "duplicate", "poison"]


@dataclass(frozen=True)
class Shares:
    """For which share of the source's records something is done; raises ProduceError for what is no share.

    `poison` adds a malformed record behind one of the source, `duplicates` sends one again; `disorder` and `late` hold
    one back, and none is both.
    """

    duplicates: float = 0.0
    disorder: float = 0.0
    late: float = 0.0
    poison: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in (part.name for part in fields(self)):
            if not 0 <= getattr(self, name) <= 1:
                raise ProduceError(f"{name}: want a share from 0 to 1, such as 0.05, have {getattr(self, name)}")
        if self.disorder + self.late > 1:
            raise ProduceError(f"disorder and late: want at most 1 together, have {self.disorder + self.late}")

    def any(self) -> bool:
        """Whether anything is done at all."""
        return self != Shares()


@dataclass(frozen=True)
class Mixed:
    """A record to be sent, and what it is; `reason`: why a malformed one is going to be rejected."""

    record: Record
    what: What
    reason: str = ""


@dataclass
class Tally:
    """What was sent: `records` of the source, of them `disordered` and `late`; duplicates; poison by reason."""

    records: int = 0
    disordered: int = 0
    late: int = 0
    duplicates: int = 0
    poison: dict[str, int] = field(default_factory=dict)

    def counted(self, stream: Iterable[Mixed]) -> Iterator[Record]:
        """The records as they come, each counted when it is taken."""
        for sent in stream:
            self._count(sent)
            yield sent.record

    def _count(self, sent: Mixed) -> None:
        if sent.what == "poison":
            self.poison[sent.reason] = self.poison.get(sent.reason, 0) + 1
            return
        self.duplicates += sent.what == "duplicate"
        self.records += sent.what != "duplicate"
        self.disordered += sent.what == "disordered"
        self.late += sent.what == "late"


# When it is due (a place in the source), its number of all that were drawn, its own place, and what it is.
_Due = tuple[int, int, int, Mixed]


def mixed(records: Iterable[Record], shares: Shares, max_bytes: int, rng: random.Random) -> Iterator[Mixed]:
    """The records in the order of sending; `max_bytes` is the longest that is taken.

    What is held back at the source's end and has not been overtaken by then counts as in order.
    """
    newest = -1
    for _, _, place, sent in _by_turn(records, shares, max_bytes, rng):
        if sent.what in ("disordered", "late") and place > newest:
            sent = replace(sent, what="in order")
        if sent.what != "poison":
            newest = max(newest, place)
        yield sent


def _by_turn(records: Iterable[Record], shares: Shares, max_bytes: int, rng: random.Random) -> Iterator[_Due]:
    waiting: list[_Due] = []
    numbers = count()
    for place, record in enumerate(records):
        for due, sent in _drawn(place, record, shares, max_bytes, rng):
            heappush(waiting, (due, next(numbers), place, sent))
        while waiting and waiting[0][0] <= place:
            yield heappop(waiting)
    while waiting:
        yield heappop(waiting)


def _drawn(
    place: int, record: Record, shares: Shares, max_bytes: int, rng: random.Random
) -> Iterator[tuple[int, Mixed]]:
    """What is sent for a record of the source, and when: of what is due at one place the first drawn goes first."""
    held, again, spoilt = rng.random(), rng.random(), rng.random()
    due, what = place, _what(held, shares)
    if what == "late":
        due += rng.randint(*LATE_PLACES)
    elif what == "disordered":
        due += 1 + rng.randint(1, DISORDERED_PLACES)
    yield due, Mixed(record, what)
    if again < shares.duplicates:
        yield due + rng.randint(1, AGAIN_PLACES), Mixed(record, "duplicate")
    if spoilt < shares.poison:
        yield place, _poison(place, record, max_bytes, rng)


def _what(chance: float, shares: Shares) -> What:
    if chance < shares.late:
        return "late"
    return "disordered" if chance < shares.late + shares.disorder else "in order"


def _poison(place: int, record: Record, max_bytes: int, rng: random.Random) -> Mixed:
    """A malformed record for the same partition, with an id of its own where it has one."""
    topic = record.topic
    fault = rng.choice(faults(topic, max_bytes))
    value = fault.spoil({**VALID[topic], ID[topic]: f"poison-{place}"})
    return Mixed(Record(topic, record.key, value), "poison", fault.reason)
