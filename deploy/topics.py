"""The topics: created once, with the configured partitions; an existing one is left as it is."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from lambda_arch.config import Config, load_config

CREATE_SECONDS = 30


class BrokerError(RuntimeError):
    """The broker does not answer or refuses; the message says what."""


def existing_topics(config: Config, timeout: float = 5.0) -> set[str]:
    """The names of the broker's topics; raises BrokerError where it does not answer a metadata request."""
    try:
        return set(_admin(config).list_topics(timeout=timeout).topics)
    except KafkaException as error:
        raise BrokerError(f"broker {config.kafka.bootstrap} does not answer: {_reason(error)}") from None


def create_topics(config: Config) -> list[str]:
    """Create the topics that are missing; answers their names. Raises BrokerError."""
    # Held by name: the client takes its requests down with it when it is collected.
    admin = _admin(config)
    missing = [topic for topic in topics(config) if topic.topic not in existing_topics(config)]
    if not missing:
        return []
    created = []
    for name, future in admin.create_topics(missing, request_timeout=CREATE_SECONDS).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerError(f"topic {name} not created: {_reason(error)}") from None
    return created


def topics(config: Config) -> list[NewTopic]:
    """The topics of the product; of `predictions` the broker keeps each key's newest."""
    kafka = config.kafka
    compacted = {"cleanup.policy": "compact"}
    return [
        NewTopic(
            name,
            num_partitions=kafka.partitions,
            replication_factor=kafka.replication,
            config=compacted if role == "predictions" else {},
        )
        for role, name in kafka.topics.model_dump().items()
    ]


def _admin(config: Config) -> AdminClient:
    # The client would write to stderr of a broker that is not up yet; the exception says it.
    return AdminClient({"bootstrap.servers": config.kafka.bootstrap, "log_level": 0})


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())


if __name__ == "__main__":
    create_topics(load_config())
