"""After a flip or a rollback the entities that stay silent are scored anew: a few at a time, between events.

Each scorer walks the entities whose events come to it by the gate's own rule of partitions, so that nobody else writes
or announces them meanwhile; in micro-batches the driver walks all of them (`silent`). The store remembers which
partition was walked in which epoch, once all that the walk said was acknowledged; whatever ends a walk before, the next
owner of the partition begins it again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection

import structlog
from confluent_kafka import KafkaException
from kafka.partitioner.default import murmur2

from lambda_arch.scorers import note_rescored, rescored
from lambda_arch.store import STORE_ERRORS, Store
from streaming.announcer import Announcer, Receipt
from streaming.apply import Applier
from streaming.outcome import Applied

TOGETHER = 16  # entities in a piece: what an event may have to wait for
STRETCH = 200  # keys looked at in a piece
LOOK_SECONDS = 1.0  # between looks at the pointer
RETRY_SECONDS = 1.0

log = structlog.get_logger("scorer")

# The partitions a scorer has now, and how many the topic has.
Shards = tuple[frozenset[int], int]


class Rescorer:
    """The walks of one scorer, which take at most `share` of its time."""

    def __init__(
        self,
        applier: Applier,
        store: Store,
        announcer: Announcer,
        share: float,
        shards: Callable[[], Shards],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._applier, self._store, self._announcer = applier, store, announcer
        self._share, self._shards, self._clock = share, shards, clock
        self._walk: Walk | None = None
        self._seen: int | None = None
        self._not_before = 0.0

    def rest(self, most: float) -> float:
        """Seconds, at most so many, until there may be something to do."""
        return min(most, max(0.0, self._not_before - self._clock()))

    def look(self) -> None:
        """Partitions came or went: look again what is to be walked."""
        self._walk = self._seen = None
        self._not_before = 0.0

    def step(self) -> Applied | None:
        """A piece of work, if it is time for one; answers what it did. Raises as Applier.rescore does."""
        began = self._clock()
        if began < self._not_before:
            return None
        if self._walk is None:
            self._walk, self._not_before = self._begun(), began + LOOK_SECONDS
            return None
        applied = self._advanced(self._walk)
        ended = self._clock()
        self._not_before = ended + (ended - began) * (1 / self._share - 1)
        return applied

    def _begun(self) -> Walk | None:
        """The walk that is due, if any; none in a generation without models, which could say nothing."""
        if not self._applier.follow() or self._applier.epoch == self._seen:
            return None
        epoch, (partitions, of) = self._applier.epoch, self._shards()
        walked = rescored(self._store)
        left = frozenset(number for number in partitions if walked.get(_name(number, of)) != epoch)
        if not left:
            self._seen = epoch
        return Walk(self._store, epoch, left, of) if left else None

    def _advanced(self, walk: Walk) -> Applied | None:
        entities = walk.ahead()
        if entities:
            applied = self._applier.rescore(entities)
            walk.passed(len(entities), self._announcer.announce([*applied.predictions, *applied.repeated]))
            if self._applier.epoch != walk.epoch:
                self._walk = None
            return applied
        if walk.is_over():
            note_rescored(self._store, walk.names(), walk.epoch)
            self._walk = None
        return None


def walked(rescorer: Rescorer, wait: Callable[[float], object]) -> Applied | None:
    """A piece of work as `step` does it; a store or broker that is away is told of and waited for."""
    try:
        return rescorer.step()
    except (*STORE_ERRORS, KafkaException) as error:
        log.warning("store or broker away, silent entities wait", error=str(error))
        wait(RETRY_SECONDS)
        return None


class Walk:
    """A walk over all entities of some partitions that have a speed state."""

    def __init__(self, store: Store, epoch: int, partitions: Collection[int], of: int) -> None:
        self.epoch = epoch
        self._store, self._partitions, self._of = store, partitions, of
        self._cursor: int | None = 0
        self._found: deque[str] = deque()
        self._receipts: deque[Receipt] = deque()

    def ahead(self) -> list[str]:
        """The next few entities; none may also mean that the next stretch of keys has none."""
        if not self._found and self._cursor is not None:
            cursor, entities = self._store.speed_entities(self._cursor, STRETCH)
            self._found.extend(entity for entity in entities if self._is_mine(entity))
            self._cursor = cursor or None
        return [self._found[number] for number in range(min(TOGETHER, len(self._found)))]

    def passed(self, count: int, receipt: Receipt) -> None:
        """The next `count` entities are done but for what the receipt waits for."""
        for _ in range(count):
            self._found.popleft()
        self._receipts.append(receipt)

    def is_over(self) -> bool:
        """Whether every entity was passed and all that was said is acknowledged."""
        while self._receipts and not self._receipts[0].left:
            self._receipts.popleft()
        return self._cursor is None and not self._found and not self._receipts

    def names(self) -> list[str]:
        """The partitions as the store notes them."""
        return [_name(number, self._of) for number in self._partitions]

    def _is_mine(self, entity: str) -> bool:
        return len(self._partitions) == self._of or partition_of(entity, self._of) in self._partitions


def partition_of(entity: str, of: int) -> int:
    """The partition of topic `gated` to which Kafka's default partitioner, and so the gate, sends an entity."""
    return (int(murmur2(entity[2:].encode())) & 0x7FFFFFFF) % of


def _name(partition: int, of: int) -> str:
    """With more partitions entities move between them: then all is walked again."""
    return f"{partition}/{of}"
