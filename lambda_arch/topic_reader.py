"""A topic as it is now: from where one wants to begin to where it ends at the moment, without group or commits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

GROUP = "lambda-arch-reader"  # joins nothing and commits nothing
AT_ONCE, POLL_SECONDS = 500, 0.2


class TopicError(RuntimeError):
    """The topic cannot be read; the message says why and the remedy."""


class TopicReader:
    """Reads one topic; all of it raises KafkaException, which `reading` turns into TopicError."""

    def __init__(self, bootstrap: str, topic: str, seconds: float) -> None:
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": GROUP, "enable.auto.commit": False, "log_level": 0,
            "auto.offset.reset": "earliest",  # where what was the first is gone meanwhile
        })  # fmt: skip
        self._topic, self._seconds = topic, seconds

    def ends(self) -> dict[int, tuple[int, int]]:
        """By partition, the first offset there is and the one after the last."""
        found = self.consumer.list_topics(self._topic, timeout=self._seconds).topics[self._topic]
        if found.error:
            raise KafkaException(found.error)
        return {n: self.consumer.get_watermark_offsets(self._at(n), self._seconds) for n in sorted(found.partitions)}

    def read(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Message]:
        """The records from each partition's start to its end; raises TopicError where they do not come in time."""
        self.consumer.assign([self._at(number, start) for number, start in starts.items()])
        waited = 0.0
        while left := self._left(starts, ends):
            began = time.monotonic()
            found = [one for one in self.consumer.consume(min(AT_ONCE, left), POLL_SECONDS) if one.error() is None]
            waited = 0.0 if found else waited + time.monotonic() - began
            if waited > self._seconds:
                raise TopicError(f"topic {self._topic}: nothing came within {self._seconds:g} s: is the broker up?")
            yield from (one for one in found if (one.offset() or 0) < ends[one.partition() or 0])

    def _left(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> int:
        """How many offsets lie before the ends still. Not counted by records: what is compacted away never comes."""
        places = self.consumer.position([self._at(number) for number in ends])
        at = {place.partition: max(place.offset, starts[place.partition]) for place in places}
        return sum(max(0, end - at[number]) for number, end in ends.items())

    def _at(self, partition: int, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._topic, partition, offset)


@contextmanager
def reading(bootstrap: str, topic: str, seconds: float = 5.0) -> Iterator[TopicReader]:
    """A reader of the topic; raises TopicError where the broker or the topic is not there."""
    reader = TopicReader(bootstrap, topic, seconds)
    try:
        yield reader
    except KafkaException as error:
        raise TopicError(_words(bootstrap, topic, error.args[0])) from None
    finally:
        reader.consumer.close()


def whole(bootstrap: str, topic: str, seconds: float = 5.0) -> Iterator[Message]:
    """All records that the topic has now, partition by partition; raises TopicError."""
    with reading(bootstrap, topic, seconds) as reader:
        for number, (low, high) in reader.ends().items():
            yield from reader.read({number: low}, {number: high})


def _words(bootstrap: str, topic: str, error: KafkaError) -> str:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"topic {topic}: {error.str()}; `lambda-arch up` creates it, or `python -m deploy.topics`"
    return f"the broker {bootstrap} does not tell of topic {topic}: {error.str()}; is it up?"
