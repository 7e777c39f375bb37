"""What a scorer tells of itself: counts since its start, and how the last seconds were."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from deploy.ports import free_ports
from lambda_arch.clock import SECOND
from lambda_arch.config import ConfigError
from lambda_arch.models import Models
from lambda_arch.states import Counts
from streaming.meter import REPORT_SECONDS, Meter, Spread, spread
from streaming.metrics import Metrics
from streaming.outcome import Applied


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def applied(records: int = 4, written: int = 2) -> Applied:
    return Applied(records, written, 1, 3, [], [], Counts(2, 1, 1), [100] * written)


def test_totals_are_since_the_start_and_all_else_of_the_last_seconds(small_models: Models) -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.add(applied(), [8 * SECOND, 9 * SECOND], now=10 * SECOND)
    meter.add_quarantined(1)
    clock.now = 2.0
    first = meter.report(small_models, {0: 7})
    assert (first.per_second, first.lag, first.generation) == (2.0, {0: 7}, 2)
    assert first.delay_seconds == Spread(1.5, 1.99, 2.0)
    assert first.state_bytes == Spread(100, 100, 100)
    meter.add_rescored(applied(0, 5))
    clock.now = 3.0
    second = meter.report(small_models, {})
    assert (second.per_second, second.delay_seconds) == (0.0, None)
    assert (second.totals.records, second.totals.written, second.totals.rescored) == (4, 2, 5)
    assert (second.totals.late, second.totals.conflicts, second.totals.refused) == (1, 2, 6)
    assert first.totals.rescored == 0


def test_a_report_is_due_every_few_seconds(small_models: Models) -> None:
    clock = Clock()
    meter = Meter(clock)
    assert not meter.is_due()
    clock.now = REPORT_SECONDS
    assert meter.is_due()
    meter.report(small_models, {})
    assert not meter.is_due()


def test_of_nothing_there_is_no_spread() -> None:
    assert spread([]) is None


def test_metrics_are_the_last_report(small_models: Models) -> None:
    metrics, meter = Metrics(), Meter(Clock())
    assert generate_latest(metrics.registry) == b""
    meter.add(applied(), [0], now=3 * SECOND)
    meter.add_quarantined(2)
    metrics.last = meter.report(small_models, {0: 7, 3: 1})
    told = generate_latest(metrics.registry).decode().splitlines()
    for line in (
        "quarantined_total 2.0", 'lag{partition="3"} 1.0', 'delay_seconds{quantile="0.5"} 3.0',
        'state_bytes{quantile="1"} 100.0', 'model_version{use_case="churn"} 2.0', "conflicts_total 1.0",
    ):  # fmt: skip
        assert f"lambda_arch_scorer_{line}" in told


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_where_every_port_is_taken_the_setting_is_named(taken: int) -> None:
    with pytest.raises(ConfigError, match=f"speed.metrics_port {taken}: taken"):
        Metrics().serve([taken])


def test_a_second_scorer_answers_on_the_next_port(taken: int) -> None:
    [port] = free_ports(1)
    assert Metrics().serve([taken, port]) == port
