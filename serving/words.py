"""Decisions in words, for people."""

from __future__ import annotations

from lambda_arch.fidelity import METRICS, Measure
from lambda_arch.records import UseCase
from serving.arbiter import Decision, Rejection

_REASONS = {
    "expired": "is older than its limit",
    "withdrawn": "was made with a generation that was withdrawn",
    "unknown_generation": "was made with a generation no longer in service",
    "unknown_schema": "has a schema this release does not read",
    "unreadable": "cannot be read",
    "no_generation": "no generation has been published",
    "no_models": "the generation's models are not loaded",
    "store_away": "the store does not answer: nothing of it could be read",
}


def sentence(use_case: UseCase, decision: Decision) -> str:
    """Who answers and why, in one sentence without a full stop."""
    parts = [_why(use_case, decision), *(_rejected(rejection) for rejection in decision.rejected)]
    return "; ".join(parts)


def _why(use_case: UseCase, decision: Decision) -> str:
    measured = {"fidelity": _by_fidelity, "blend": _by_blend}
    if decision.rule in measured:
        return measured[decision.rule](use_case, decision)
    match decision.rule:
        case "newer":
            return f"{decision.layer}: its answer has seen newer events, {_tie(decision)}"
        case "batch_default":
            return f"batch: both have seen the same newest event, {_tie(decision)}"
        case "only_batch" | "only_speed":
            return f"{decision.layer}: the only layer with an answer that may be used"
        case "batch_first" | "speed_first":
            return f"{decision.layer}: the policy prefers it wherever its answer may be used"
        case _:
            return "fallback: neither layer has an answer that may be used"


def _by_fidelity(use_case: UseCase, decision: Decision) -> str:
    figures = {"batch": decision.batch_fidelity, "speed": decision.speed_fidelity}
    loser = "speed" if decision.layer == "batch" else "batch"
    won, lost = _figure(figures[decision.layer]), _figure(figures[loser])
    metric = METRICS[use_case]
    return f"{decision.layer}: its measured {metric} at lag {decision.bucket} is {won} against {loser}'s {lost}"


def _by_blend(use_case: UseCase, decision: Decision) -> str:
    shares = " and ".join(f"{source.weight:.0%} {source.layer}" for source in decision.sources)
    gain = _figure(decision.blend_gain)
    return f"blend: {shares}, whose {METRICS[use_case]} at lag {decision.bucket} is above the better layer's by {gain}"


def _tie(decision: Decision) -> str:
    if decision.policy == "newest":
        return "and the policy asks for the newest"
    if decision.batch_fidelity is None or decision.speed_fidelity is None:
        return f"and fidelity at lag {decision.bucket} was not measured for both"
    batch, speed = _figure(decision.batch_fidelity), _figure(decision.speed_fidelity)
    return f"and measured fidelity at lag {decision.bucket} is a tie (batch {batch}, speed {speed})"


def _figure(measure: Measure | None) -> str:
    if measure is None:
        return "not measured"
    figure = f"{measure.value:.3g} ± {measure.standard_error:.2g}"
    return f"{figure}, in part of lag {' and '.join(measure.borrowed)}" if measure.borrowed else figure


def _rejected(rejection: Rejection) -> str:
    reason = _REASONS[rejection.reason]
    return f"{rejection.layer}'s record {reason}" if rejection.layer else reason
