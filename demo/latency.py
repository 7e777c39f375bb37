"""From a view's acknowledgement by Kafka to the viewer's new recommendations in the store, as a reader sees it."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Producer

from lambda_arch.clock import SECOND, rfc3339
from lambda_arch.config import Config
from lambda_arch.store import Store

PATIENCE_SECONDS = 30.0
WARM_UP = 10


class ProbeError(RuntimeError):
    """A view was acknowledged and never answered."""


def measure(config: Config, titles: list[str], event_time: int, probes: int) -> tuple[dict[str, float], int]:
    """Send one view after the other, each of a new viewer, and wait for the answer in the store.

    Answers {p50, p99, n} in milliseconds (the first few, which warm connections up, are sent but not counted) and
    how many views were sent. Polling adds at most one round trip to the store, some 0.1 ms.
    """
    store = Store(config.store.url, config.store.ttl_days)
    settings = {"enable.idempotence": True, "linger.ms": 1, "log_level": 0}
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap, **settings})
    seconds = [
        _one(config, store, producer, view(number, titles[number % len(titles)], event_time + number * SECOND))
        for number in range(probes + WARM_UP)
    ][WARM_UP:]
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "n": probes}, probes + WARM_UP


def view(number: int, title_id: str, event_time: int) -> dict[str, Any]:
    """The view that probe `number` sends."""
    return {
        "event_id": f"probe-{number}", "event_type": "view", "user_id": f"probe-{number}", "title_id": title_id,
        "event_time": rfc3339(event_time), "value": 1.0,
    }  # fmt: skip


def _one(config: Config, store: Store, producer: Producer, event: dict[str, Any]) -> float:
    acknowledged: list[float] = []

    def on_delivery(error: object, _: object) -> None:
        if error is None:
            acknowledged.append(time.perf_counter())

    user = event["user_id"]
    producer.produce(config.kafka.topics.events, msgspec.json.encode(event), user, on_delivery=on_delivery)
    until = time.perf_counter() + PATIENCE_SECONDS
    while not acknowledged or not store.says(f"u:{user}", "recommend"):
        producer.poll(0 if acknowledged else 0.001)
        if time.perf_counter() > until:
            raise ProbeError(f"no recommendations for {user} within {PATIENCE_SECONDS:.0f} s: see var/log/")
    return max(0.0, time.perf_counter() - acknowledged[0])
