"""A scorer's reports as Prometheus metrics on a port of this machine."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

import msgspec
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lambda_arch.config import ConfigError
from streaming.meter import ScorerReport, Spread

HOST = "127.0.0.1"
PREFIX = "lambda_arch_scorer"


class Metrics(Collector):
    """The last report; nothing before the first."""

    def __init__(self) -> None:
        self.last: ScorerReport | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def serve(self, ports: Sequence[int]) -> int:
        """Answer on the first of the ports that is free, and say which; raises ConfigError where none is."""
        for port in ports:
            try:
                start_http_server(port, addr=HOST, registry=self.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
        raise ConfigError(
            f"speed.metrics_port {ports[0]}: taken, as are the {len(ports) - 1} after it; set another, or 0 for none"
        )

    def collect(self) -> Iterator[Metric]:
        """The last report, metric by metric."""
        if (report := self.last) is None:
            return
        for name, count in msgspec.structs.asdict(report.totals).items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", f"{name} since the start", value=count)
        yield GaugeMetricFamily(f"{PREFIX}_generation", "Generation of the models", value=report.generation)
        yield _labelled("lag", "Records not taken yet", "partition", report.lag)
        yield _labelled("model_version", "Generation that trained the model", "use_case", report.model_versions)
        yield _spread("delay_seconds", "From an event's time to the store", report.delay_seconds)
        yield _spread("state_bytes", "Of an entity's state", report.state_bytes)


def _labelled(name: str, told: str, label: str, values: dict[int, int] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _spread(name: str, told: str, values: Spread | None) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=["quantile"])
    if values:
        for quantile, value in (("0.5", values.p50), ("0.99", values.p99), ("1", values.most)):
            family.add_metric([quantile], value)
    return family
