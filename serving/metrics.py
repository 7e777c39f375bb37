"""Prometheus metrics: which layer answers by which rule, and how fast."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cache

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.samples import Sample
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.agreement import Agreement
from serving.answers import Answer
from serving.rules.filters import kind

# What is asked about somebody or something; a file, a look at the quarantine, a watched stream take their own time.
_QUESTIONS = ("/v1/users/", "/v1/titles/", "/v1/sessions/", "/v1/predictions")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Answered(msgspec.Struct, frozen=True):
    """Answers by layer since the start, and the milliseconds within which 99 % of questions were; None before any."""

    layers: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("batch", "speed", "blend", "fallback"), 0)
    )
    p99_ms: float | None = None

    @property
    def total(self) -> int:
        """All answers."""
        return sum(self.layers.values())


class Metrics:
    """The metrics of one app; its own registry, so that two apps in a process do not clash."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = Counter(
            "lambda_arch_decisions", "Answers by layer and rule", ["use_case", "layer", "rule"], registry=self._registry
        )
        self._rejections = Counter(
            "lambda_arch_rejections", "Records that could not answer, by layer and reason",
            ["use_case", "layer", "reason"], registry=self._registry,
        )  # fmt: skip
        self._removed = Counter(
            "lambda_arch_removed_titles", "Titles of the layers' lists that a rule took out", ["rule"],
            registry=self._registry,
        )  # fmt: skip
        self._logged = Counter(
            "lambda_arch_logged_decisions", "Sampled decisions by what became of them on their way to the topic",
            ["fate"], registry=self._registry,
        )  # fmt: skip
        self._exposed = Counter(
            "lambda_arch_exposures", "Answers under a frequency cap, by whether the store has counted them", ["fate"],
            registry=self._registry,
        )  # fmt: skip
        self._received = Counter(
            "lambda_arch_received", "Records handed in, by what became of them", ["kind", "outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._agreement = Gauge(
            "lambda_arch_agreement", "Speed's last answers before the newest night against that night's; 1 is the same",
            ["use_case"], registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "lambda_arch_request_seconds", "Time to answer", ["route"], registry=self._registry, buckets=_SECONDS
        )
        # Kept by their labels: the client looks for them under a lock, which takes longer than to count.
        self._decided, self._taken = cache(self._decisions.labels), cache(self._seconds.labels)
        self._rules_good = Gauge(
            "lambda_arch_rules_good", "Whether the rules' file could be read (1); else those of before are in use",
            registry=self._registry,
        )  # fmt: skip
        self._rules_good.set(1)

    def rules_read(self, good: bool) -> None:
        """Note whether the rules' file could be read."""
        self._rules_good.set(int(good))

    @staticmethod
    def _samples(metric: Counter | Histogram, ending: str) -> list[Sample]:
        return [sample for family in metric.collect() for sample in family.samples if sample.name.endswith(ending)]

    def count(self, answer: Answer) -> None:
        """Note an answer that went out."""
        self._decided(answer.use_case, answer.decision.layer, answer.decision.rule).inc()
        for rejection in answer.decision.rejected:
            self._rejections.labels(answer.use_case, rejection.layer or "none", rejection.reason).inc()

    def removed(self, titles: Mapping[str, int]) -> None:
        """Note how many titles of a list each rule took out."""
        for rule, count in titles.items():
            self._removed.labels(kind(rule)).inc(count)

    def logged(self, fate: str) -> None:
        """Note what became of a decision on its way to the log."""
        self._logged.labels(fate).inc()

    def exposed(self, fate: str, answers: int) -> None:
        """Note what became of answers whose titles are to be counted."""
        self._exposed.labels(fate).inc(answers)

    def receive(self, kind: str, outcome: str, count: int) -> None:
        """Note records that were handed in: `accepted`, `rejected` or `unacknowledged`."""
        if count:
            self._received.labels(kind, outcome).inc(count)

    def agreed(self, newest: Agreement) -> None:
        """Note how the newest generation agrees with what the speed layer said before it."""
        for use_case, agreed in newest.use_cases.items():
            self._agreement.labels(use_case).set(math.nan if agreed.value is None else agreed.value)

    def observe(self, route: str, seconds: float) -> None:
        """Note a request's duration; `route` is the pattern, not the path: ids would be endless labels."""
        self._taken(route).observe(seconds)

    def answered(self) -> Answered:
        """What went out so far; of questions, not of files, administration, health checks and pages."""
        layers = Answered().layers
        for sample in self._samples(self._decisions, "_total"):
            layers[sample.labels["layer"]] += int(sample.value)
        within: dict[float, float] = {}
        for sample in self._samples(self._seconds, "_bucket"):
            if sample.labels["route"].startswith(_QUESTIONS):
                bound = float(sample.labels["le"])
                within[bound] = within.get(bound, 0) + sample.value
        return Answered(layers, _quantile(within, 0.99))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


def _quantile(within: dict[float, float], share: float) -> float | None:
    """Milliseconds below which a share lies, by a histogram's cumulated counts; between two bounds in proportion."""
    wanted, below, before = share * within.get(math.inf, 0), 0.0, 0.0
    for bound, count in sorted(within.items()):
        if count >= wanted > 0:
            inside = bound if math.isfinite(bound) else below
            return 1000 * (below + (inside - below) * (wanted - before) / max(count - before, 1))
        below, before = bound, count
    return None


class Timed:
    """ASGI middleware that times every HTTP request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app and note how long it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            self._metrics.observe(route, time.perf_counter() - started)
