"""Whether the servers answer."""

from __future__ import annotations

import urllib.request

from deploy.topics import BrokerError, existing_topics
from lambda_arch.config import Config
from lambda_arch.store import Store, StoreError


class ServerError(RuntimeError):
    """A program does not come up or does not answer; the message says which, why, and where its log is."""


def refusal(config: Config, name: str) -> Exception | None:
    """What the broker, the store or the API says instead of an answer; None where it answers, or is no server."""
    checks = {"kafka": ask_broker, "store": ask_store, "api": ask_api}
    try:
        if name in checks:
            checks[name](config)
    except (BrokerError, StoreError, ServerError) as error:
        return error
    return None


def ask_broker(config: Config) -> None:
    """Raises BrokerError unless the broker answers a metadata request."""
    existing_topics(config, timeout=2.0)


def ask_store(config: Config) -> None:
    """Raises StoreError unless the store answers."""
    store = Store(config.store.url, config.store.ttl_days)
    try:
        store.ping()
    finally:
        store.redis.close()


def ask_api(config: Config) -> None:
    """Raises ServerError unless the API says that it is well."""
    address = f"http://{config.serving.host}:{config.serving.port}/health"
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except OSError as error:
        raise ServerError(f"API {address} does not answer: {error}") from None
