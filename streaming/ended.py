"""Why a query ended by itself, in a line with the remedy: Spark's own word for it is a page."""

from __future__ import annotations

import re

NOTHING_LOST = "records stay in Kafka, and what is read again changes nothing"
# In this order: what one of a row's texts in Spark's message means.
_CHECKPOINT = ("CHECKPOINT", "log version", "LOG_VERSION", "log file", "Log file", "Expected e.g.", "offset log")
_FAULTS = (
    (
        ("KAFKA_DATA_LOSS", "data may have been lost", "OffsetOutOfRange"),
        "the broker no longer has records that the checkpoint wants (retention, or topics made anew). Remove "
        "{checkpoint} to go on with what is left, and `lambda-arch replay` to apply what the archive has of the rest",
    ),
    (
        ("UnknownTopicOrPartition", "does not host this topic"),
        "a topic is missing: make it with `python -m deploy.topics`; " + NOTHING_LOST,
    ),
    (
        ("node assignment", "No resolvable bootstrap", "TimeoutException", "Failed to construct kafka consumer"),
        "the broker does not answer: start it with `lambda-arch up`, or correct kafka.bootstrap; " + NOTHING_LOST,
    ),
    (_CHECKPOINT, "{checkpoint} is of another query or another release of Spark: remove it; " + NOTHING_LOST),
    (
        ("redis.exceptions", "StoreError"),
        "the store is away, full or refuses: start it with `lambda-arch up`, or raise its `maxmemory`; " + NOTHING_LOST,
    ),
)
_CAUSE = re.compile(r"^(?:Caused by: )?[\w.$]*(?:Exception|Error)\b:? ?(.+)$", re.MULTILINE)
_FOLDERS = {"gate": "realtime", "speed": "microbatch"}
LONGEST = 300


class QueryEndedError(RuntimeError):
    """A query of Spark ended by itself; the message says which, why and the remedy."""


def ended(query: str, told: str) -> QueryEndedError:
    """The error for what Spark told of a query's end."""
    meaning = next((remedy for texts, remedy in _FAULTS if any(text in told for text in texts)), None)
    kind, _, topic = query.partition("-")
    folder = f"the checkpoint {_FOLDERS.get(kind, kind)}-{topic} below paths.checkpoints"
    remedy = meaning.format(checkpoint=folder) if meaning else "the log has all of it; " + NOTHING_LOST
    return QueryEndedError(f"query {query} ended: {remedy} (Spark: {_cause(told)})")


def _cause(told: str) -> str:
    """The innermost cause that is named, or the first line."""
    causes = _CAUSE.findall(told)
    line = causes[-1] if causes else told.strip().partition("\n")[0]
    return str(line)[:LONGEST]
