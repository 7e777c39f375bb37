"""A broker that is away is told once an outage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError
from served import wait_for
from store_server import free_port
from structlog.testing import capture_logs

from streaming.consumer import consumer_settings
from streaming.outages import APART_SECONDS, Outages


def told(moments: Iterator[float], times: int) -> list[str]:
    outages = Outages("nowhere:9092", lambda: next(moments))
    with capture_logs() as logs:
        for _ in range(times):
            outages(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    return [log["event"] for log in logs]


@pytest.mark.parametrize(
    ("moments", "lines"),
    [
        pytest.param([5.0], 1, id="the first error is told"),
        pytest.param([5.0, 5.1, 15.0, 5.0 + APART_SECONDS], 1, id="an outage that goes on is not told again"),
        pytest.param([5.0, 5.0 + APART_SECONDS], 2, id="what comes a minute later is another outage"),
    ],
)
def test_an_outage_is_one_line(moments: list[float], lines: int) -> None:
    assert told(iter(moments), len(moments)) == ["broker does not answer"] * lines


def test_a_scorers_client_says_one_line_of_its_own_and_none_of_the_librarys(capfd: pytest.CaptureFixture[str]) -> None:
    consumer = Consumer(consumer_settings(f"127.0.0.1:{free_port()}", "outages"))
    consumer.subscribe(["gated"])
    said, printed = "", ""

    def heard() -> bool:
        nonlocal said, printed
        consumer.poll(0.1)
        out, err = capfd.readouterr()
        said, printed = said + out, printed + err
        return "does not answer" in said

    wait_for(heard)
    for _ in range(10):
        heard()
    consumer.close()
    assert (said.count("does not answer"), printed) == (1, "")
