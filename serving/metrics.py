"""Prometheus metrics: which layer answers by which rule, and how fast."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answers import Answer

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


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
        self._logged = Counter(
            "lambda_arch_logged_decisions", "Sampled decisions by what became of them on their way to the topic",
            ["fate"], registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "lambda_arch_request_seconds", "Time to answer", ["route"], registry=self._registry, buckets=_SECONDS
        )

    def count(self, answer: Answer) -> None:
        """Note an answer that went out."""
        self._decisions.labels(answer.use_case, answer.decision.layer, answer.decision.rule).inc()
        for rejection in answer.decision.rejected:
            self._rejections.labels(answer.use_case, rejection.layer or "none", rejection.reason).inc()

    def logged(self, fate: str) -> None:
        """Note what became of a decision on its way to the log."""
        self._logged.labels(fate).inc()

    def observe(self, route: str, seconds: float) -> None:
        """Note a request's duration; `route` is the pattern, not the path: ids would be endless labels."""
        self._seconds.labels(route).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


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
