"""What scorers report and queries tell of their triggers, as Prometheus metrics on a port of this machine."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lambda_arch.config import ConfigError
from streaming.meter import ScorerReport, Spread
from streaming.triggers import Trigger

HOST = "127.0.0.1"
PREFIX, QUERY = "lambda_arch_scorer", "lambda_arch_query"


class Served(Collector):
    """Metrics that are made anew each time that they are asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def serve(self, ports: Sequence[int], setting: str = "metrics_port") -> int:
        """Answer on the first of the ports that is free, and say which; raises ConfigError where none is."""
        for port in ports:
            try:
                start_http_server(port, addr=HOST, registry=self.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
        others = f", as are the {len(ports) - 1} after it" if len(ports) > 1 else ""
        raise ConfigError(f"speed.{setting} {ports[0]}: taken{others}; set another, or 0 for none")


class Metrics(Served):
    """A scorer's last report; nothing before the first."""

    def __init__(self) -> None:
        self.last: ScorerReport | None = None
        super().__init__()

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


class QueryMetrics(Served):
    """Each query's last trigger by name; nothing of one before its first."""

    def __init__(self) -> None:
        self.last: dict[str, Trigger] = {}
        super().__init__()

    def collect(self) -> Iterator[Metric]:
        """The last triggers, metric by metric."""
        told = list(self.last.values())
        yield _by_query("batch", "Number of the last trigger", [((one.query,), one.batch) for one in told])
        yield _by_query("rows", "Rows that it read", [((one.query,), one.rows) for one in told])
        yield _by_query("rows_per_second", "While it ran", [((one.query,), one.per_second) for one in told])
        for name, label, parts in (
            ("lag", "partition", [one.lag for one in told]),
            ("milliseconds", "step", [one.milliseconds for one in told]),
            ("counts", "what", [one.counts for one in told]),
        ):
            pairs = zip(told, parts, strict=True)
            values = [((one.query, key), value) for one, part in pairs for key, value in part.items()]
            yield _by_query(name, f"Of the last trigger, by {label}", values, label)


def _by_query(name: str, told: str, values: Iterable[tuple[Sequence[str], float]], *further: str) -> Metric:
    family = GaugeMetricFamily(f"{QUERY}_{name}", told, labels=["query", *further])
    for labels, value in values:
        family.add_metric(labels, value)
    return family


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
