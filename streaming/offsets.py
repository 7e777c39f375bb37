"""When a batch's offsets are committed: after the store has it, and the broker what the batch said."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from confluent_kafka import Consumer, Message, TopicPartition

from streaming.announcer import Receipt


def ends_of(messages: Sequence[Message]) -> list[TopicPartition]:
    """Where the messages' partitions are to be read from after them."""
    newest = {message.partition(): message for message in messages}
    return [TopicPartition(str(last.topic()), number or 0, (last.offset() or 0) + 1) for number, last in newest.items()]


class Offsets:
    """Offsets of applied batches, committed in the batches' order; a batch waits for its announcements."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._waiting: deque[tuple[Receipt, list[TopicPartition]]] = deque()

    def add(self, ends: list[TopicPartition], receipt: Receipt) -> None:
        """A batch that is in the store, by where it ends."""
        self._waiting.append((receipt, ends))

    def forget(self) -> None:
        """The partitions are lost: others begin where the last commit says."""
        self._waiting.clear()

    def settle(self, wait: bool = False) -> None:
        """Commit the offsets of all batches up to the first that still waits; by name, for more may be consumed.

        Raises KafkaException where told to `wait` for a commit that fails.
        """
        due: dict[tuple[str, int], TopicPartition] = {}
        while self._waiting and not self._waiting[0][0].left:
            due |= {(at.topic, at.partition): at for at in self._waiting.popleft()[1]}
        if due and wait:
            self._consumer.commit(offsets=list(due.values()), asynchronous=False)
        elif due:
            self._consumer.commit(offsets=list(due.values()), asynchronous=True)
