"""What Spark's pages about a query's end come to: a line with the cause and the remedy."""

from __future__ import annotations

import pytest

from streaming.ended import LONGEST, ended

PAGE = (
    "[STREAM_FAILED] Query [id = 1, runId = 2] terminated with exception: it did. SQLSTATE: XXKST\n\nJVM stacktrace:\n"
)


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        pytest.param(
            "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: describe",
            "the broker does not answer: start it with `lambda-arch up`", id="the broker is away",
        ),
        pytest.param(
            "org.apache.kafka.common.KafkaException: Failed to construct kafka consumer",
            "the broker does not answer", id="the broker's address is wrong",
        ),
        pytest.param(
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException: This server does not host this topic",
            "make it with `python -m deploy.topics`", id="a topic is missing",
        ),
        pytest.param(
            "java.lang.IllegalStateException: Some data may have been lost because they are not available in Kafka",
            "Remove the checkpoint realtime-events below paths.checkpoints", id="retention was quicker",
        ),
        pytest.param(
            "java.lang.IllegalStateException: UnsupportedLogVersion: maximum supported log version is v1",
            "is of another query or another release of Spark: remove it", id="a later release wrote the checkpoint",
        ),
        pytest.param(
            "redis.exceptions.ResponseError: OOM command not allowed", "raise its `maxmemory`", id="the store is full"
        ),
        pytest.param("java.lang.NullPointerException: nothing", "the log has all of it", id="nobody knows"),
    ],
)  # fmt: skip
def test_a_query_that_ended_is_told_in_a_line_with_the_remedy(cause: str, remedy: str) -> None:
    told = str(ended("gate-events", f"{PAGE}Caused by: {cause}\n\tat org.apache.spark.X.y(X.scala:1)"))
    assert told.startswith("query gate-events ended: ")
    assert remedy in told
    assert cause.partition(": ")[2] in told
    assert "\n" not in told


def test_a_cause_without_end_is_cut() -> None:
    assert len(str(ended("speed-posts", "x" * 10_000))) < 2 * LONGEST
