"""What the living picture says of answers: how many by whom, and within which time."""

from __future__ import annotations

import pytest

from serving.metrics import Answered, Metrics

QUESTIONS = ("/v1/users/{user_id}/churn", "/v1/titles/{title_id}/similar", "/v1/sessions/recommendations",
             "/v1/predictions")  # fmt: skip
OTHERS = ("/v1/live", "/v1/quarantine", "/v1/segments/{segment}/members", "/v1/events", "/health", "none")


def test_before_any_question_nothing_is_said_of_time() -> None:
    metrics = Metrics()
    for route in OTHERS:
        metrics.observe(route, 4.0)
    assert metrics.answered() == Answered(p99_ms=None)


@pytest.mark.parametrize("route", QUESTIONS)
def test_the_time_is_that_of_questions_alone(route: str) -> None:
    metrics = Metrics()
    for _ in range(99):
        metrics.observe(route, 0.0005)
    for other in OTHERS:
        metrics.observe(other, 4.0)
    assert metrics.answered().p99_ms == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("slow", "milliseconds"),
    [
        pytest.param(0, 0.99, id="within the quickest bound in proportion"),
        pytest.param(1, 1.0, id="one in a hundred is beyond 99 %"),
        pytest.param(2, 75.0, id="two are not: halfway between the bounds of both"),
    ],
)
def test_ninety_nine_per_cent_lie_below(slow: int, milliseconds: float) -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.observe(QUESTIONS[0], 0.07 if number < slow else 0.0005)
    assert metrics.answered().p99_ms == pytest.approx(milliseconds)
