"""A topic as it is now: from where one wants to begin to where it ends at the moment, without group or commits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

GROUP = "lambda-arch-reader"  # joins nothing and commits nothing


class TopicError(RuntimeError):
    """The broker does not answer; the message says so."""


class TopicReader:
    """Reads one topic; all of it raises KafkaException, which `reading` turns into TopicError."""

    def __init__(self, bootstrap: str, topic: str, seconds: float) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False, "log_level": 0}
        self.consumer = Consumer(settings)
        self._topic, self._seconds = topic, seconds

    def ends(self) -> dict[int, tuple[int, int]]:
        """By partition, the first offset there is and the one after the last."""
        found = self.consumer.list_topics(self._topic, timeout=self._seconds).topics[self._topic]
        if found.error:
            raise KafkaException(found.error)
        return {n: self.consumer.get_watermark_offsets(self._at(n), self._seconds) for n in found.partitions}

    def read(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Message]:
        """The records from each partition's start to its end; raises TopicError where they do not come in time."""
        self.consumer.assign([self._at(number, start) for number, start in starts.items()])
        left = {number: end for number, end in ends.items() if starts[number] < end}
        deadline = time.monotonic() + self._seconds
        while left:
            if time.monotonic() > deadline:
                raise TopicError(f"topic {self._topic} was not read within {self._seconds:g} s")
            for message in self.consumer.consume(500, timeout=0.2):
                if message.error() is None:
                    deadline = time.monotonic() + self._seconds
                    yield message
            at = {place.partition: place.offset for place in self.consumer.position([self._at(n) for n in left])}
            left = {number: end for number, end in left.items() if at[number] < end}

    def _at(self, partition: int, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._topic, partition, offset)


@contextmanager
def reading(bootstrap: str, topic: str, seconds: float = 5.0) -> Iterator[TopicReader]:
    """A reader of the topic; raises TopicError where the broker or the topic is not there."""
    reader = TopicReader(bootstrap, topic, seconds)
    try:
        yield reader
    except KafkaException as error:
        told = f"the broker {bootstrap} does not tell of topic {topic}: {error.args[0].str()}"
        raise TopicError(f"{told}; is it up?") from None
    finally:
        reader.consumer.close()


def whole(bootstrap: str, topic: str) -> list[Message]:
    """All records that the topic has now; raises TopicError."""
    with reading(bootstrap, topic) as reader:
        ends = reader.ends()
        starts = {number: low for number, (low, _) in ends.items()}
        return list(reader.read(starts, {number: high for number, (_, high) in ends.items()}))
