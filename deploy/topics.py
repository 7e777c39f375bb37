"""The topics: created once, with the configured partitions; an existing one is left as it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from lambda_arch.config import Config, load_config

CREATE_SECONDS = 30.0


class BrokerError(RuntimeError):
    """The broker does not answer or refuses; the message says what, and the remedy."""


def existing_topics(config: Config, timeout: float = 5.0) -> set[str]:
    """The names of the broker's topics; raises BrokerError where it does not answer a metadata request."""
    with _admin(config, timeout) as admin:
        return set(admin.list_topics())


def create_topics(config: Config) -> list[str]:
    """Create the topics that are missing; answers their names. Raises BrokerError."""
    with _admin(config, CREATE_SECONDS) as admin:
        known = set(admin.list_topics())
        missing = [topic for topic in topics(config) if topic.name not in known]
        for topic in missing:
            try:
                admin.create_topics([topic])
            except TopicAlreadyExistsError:
                continue
        return [topic.name for topic in missing]


def topics(config: Config) -> list[NewTopic]:
    """The topics of the product; of `predictions` and `erasures` the broker keeps each key's newest."""
    kafka = config.kafka
    return [
        NewTopic(name, kafka.partitions, kafka.replication, topic_configs=_settings(role))
        for role, name in kafka.topics.model_dump().items()
    ]


def _settings(role: str) -> dict[str, str]:
    if role in ("predictions", "erasures"):
        return {"cleanup.policy": "compact"}
    if role == "quarantine":
        # A record as large as the broker takes, and the headers around it.
        return {"max.message.bytes": str(4 << 20)}
    # The rules measure "ahead of the clock" against a record's arrival, and retention counts from it.
    return {"message.timestamp.type": "LogAppendTime"}


@contextmanager
def _admin(config: Config, timeout: float) -> Iterator[KafkaAdminClient]:
    milliseconds = int(timeout * 1000)
    _require_listener(config.kafka.bootstrap, timeout)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=config.kafka.bootstrap, bootstrap_timeout_ms=milliseconds, request_timeout_ms=milliseconds
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(_away(config.kafka.bootstrap, error)) from None


def _require_listener(bootstrap: str, timeout: float) -> None:
    """The client leaves its sockets open where nobody listens, and a start asks ten times a second."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=timeout).close()
    except OSError as error:
        raise BrokerError(_away(bootstrap, error)) from None


def _away(bootstrap: str, error: Exception) -> str:
    return f"broker {bootstrap} does not answer: {error}; start it with `lambda-arch up`, or correct kafka.bootstrap"


if __name__ == "__main__":
    create_topics(load_config())
