"""Which layer answers: one pure and total decision over what both layers stored, with its reasons."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from lambda_arch.clock import HOUR, parse_rfc3339
from lambda_arch.fidelity import FidelityTable, Measure, bucket
from lambda_arch.keys import Generations
from lambda_arch.policies import Limits
from lambda_arch.records import Layer, Prediction, UseCase

Reason = Literal[
    "expired", "unknown_generation", "unknown_schema", "unreadable", "no_generation", "no_models", "store_away"
]
Rule = Literal["fidelity", "newer", "batch_default", "only_batch", "only_speed", "fallback"]


class Candidates(msgspec.Struct, frozen=True):
    """What each layer says of one entity and use case; None where it says nothing."""

    batch: Prediction | None = None
    speed: Prediction | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision depends on besides the records; `now` in microseconds UTC."""

    use_case: UseCase
    generations: Generations
    fidelity: FidelityTable | None
    now: int
    limits: Limits
    margin_errors: float


class Rejection(msgspec.Struct, frozen=True):
    """A record that may not answer; one without a layer says that none could be read, or no model."""

    layer: Layer | None
    reason: Reason


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers and why; lag (events batch has not seen), bucket and fidelities only where both could."""

    layer: Literal["batch", "speed", "fallback"]
    rule: Rule
    lag: int | None = None
    bucket: str | None = None
    batch_fidelity: Measure | None = None
    speed_fidelity: Measure | None = None
    rejected: list[Rejection] = []


def arbitrate(candidates: Candidates, context: Context) -> Decision:
    """The decision for any two records of one entity and use case.

    Raises ValueError only for a programming error: records of another use case, layer or entity.
    """
    _check(candidates, context.use_case)
    batch_reason = candidates.batch and rejection(candidates.batch, context)
    speed_reason = candidates.speed and rejection(candidates.speed, context)
    batch = None if batch_reason else candidates.batch
    speed = None if speed_reason else candidates.speed
    reasons: list[tuple[Layer, Reason | None]] = [("batch", batch_reason or None), ("speed", speed_reason or None)]
    rejected = [Rejection(layer, reason) for layer, reason in reasons if reason]
    if batch and speed:
        return _between(batch, speed, context)
    if batch:
        return Decision(layer="batch", rule="only_batch", rejected=rejected)
    if speed:
        return Decision(layer="speed", rule="only_speed", rejected=rejected)
    return Decision(layer="fallback", rule="fallback", rejected=rejected)


def rejection(record: Prediction, context: Context) -> Reason | None:
    """Why a record may not answer, or None where it may."""
    if context.generations.horizon(record.generation) is None:
        return "unknown_generation"
    hours = context.limits.batch_hours if record.layer == "batch" else context.limits.speed_hours
    return "expired" if age(record, context.generations, context.now) > hours * HOUR else None


def age(record: Prediction, generations: Generations, now: int) -> int:
    """Microseconds since the newest moment the record knows of; 0 where that lies ahead of `now`.

    A batch record has seen everything before its generation's horizon, however long the entity was silent.
    """
    horizon = generations.horizon(record.generation) if record.layer == "batch" else None
    return max(0, now - (parse_rfc3339(record.as_of) if horizon is None else horizon))


def _between(batch: Prediction, speed: Prediction, context: Context) -> Decision:
    lag = max(0, speed.evidence - batch.evidence)
    table = context.fidelity
    of_batch = table.of(context.use_case, "batch", lag) if table else None
    of_speed = table.of(context.use_case, "speed", lag) if table else None
    better = _better(of_batch, of_speed, table.gain(context.use_case, lag) if table else None, context.margin_errors)
    newer = _newer(batch, speed)
    rule: Rule = "fidelity" if better else "newer" if newer else "batch_default"
    return Decision(
        layer=better or newer or "batch", rule=rule, lag=lag, bucket=bucket(lag),
        batch_fidelity=of_batch, speed_fidelity=of_speed,
    )  # fmt: skip


def _better(batch: Measure | None, speed: Measure | None, gain: Measure | None, margin_errors: float) -> Layer | None:
    """The layer that measures higher by more than the margin; None for a tie or where one was not measured.

    Both layers answered the same cases, so `gain` errs less than two figures that are independent of each other.
    """
    if batch is None or speed is None:
        return None
    error = math.hypot(batch.standard_error, speed.standard_error) if gain is None else gain.standard_error
    difference, margin = speed.value - batch.value, margin_errors * error
    if difference > margin:
        return "speed"
    return "batch" if -difference > margin else None


def _newer(batch: Prediction, speed: Prediction) -> Layer | None:
    batch_as_of, speed_as_of = parse_rfc3339(batch.as_of), parse_rfc3339(speed.as_of)
    if batch_as_of == speed_as_of:
        return None
    return "batch" if batch_as_of > speed_as_of else "speed"


def _check(candidates: Candidates, use_case: UseCase) -> None:
    places: list[tuple[Layer, Prediction | None]] = [("batch", candidates.batch), ("speed", candidates.speed)]
    for layer, record in places:
        if record and (record.use_case, record.layer) != (use_case, layer):
            raise ValueError(f"want a {layer} record of {use_case}, have a {record.layer} record of {record.use_case}")
    entities = {record.entity for _, record in places if record}
    if len(entities) > 1:
        raise ValueError(f"want records of one entity, have {' and '.join(sorted(entities))}")
