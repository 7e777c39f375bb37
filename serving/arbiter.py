"""Which layer answers: one pure and total decision over what both layers stored, with its reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from lambda_arch.clock import HOUR, parse_rfc3339
from lambda_arch.fidelity import Blend, FidelityTable, Measure, bucket
from lambda_arch.keys import Generations
from lambda_arch.policies import Policy, PolicyRule
from lambda_arch.records import Layer, Prediction, UseCase, order

Reason = Literal[
    "expired", "withdrawn", "unknown_generation", "unknown_schema", "unreadable", "no_generation", "no_models",
    "store_away",
]  # fmt: skip
Rule = Literal[
    "fidelity", "blend", "newer", "batch_default", "batch_first", "speed_first", "only_batch", "only_speed", "fallback"
]


Answerer = Literal["batch", "speed", "blend", "fallback"]


class Candidates(msgspec.Struct, frozen=True):
    """What each layer says of one entity and use case; None where it says nothing."""

    batch: Prediction | None = None
    speed: Prediction | None = None


def candidates_of(records: Iterable[Prediction]) -> Candidates:
    """Records in any order, each in its layer's place; of several of one layer the greatest by the store's order."""
    found: dict[Layer, Prediction] = {}
    for record in records:
        best = found.get(record.layer)
        found[record.layer] = max(best, record, key=order) if best else record
    return Candidates(found.get("batch"), found.get("speed"))


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision depends on besides the records; `now` in microseconds UTC."""

    use_case: UseCase
    generations: Generations
    fidelity: FidelityTable | None
    now: int
    policy: Policy


class Rejection(msgspec.Struct, frozen=True):
    """A record that may not answer; one without a layer says that none could be read, or no model."""

    layer: Layer | None
    reason: Reason


class Source(msgspec.Struct, frozen=True):
    """A record that is part of a blend, and its weight in it."""

    layer: Layer
    weight: float
    model: str
    model_version: int
    generation: int
    as_of: str
    evidence: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers and why; lag (events batch has not seen), bucket and fidelities only where both could.

    `policy` is what was asked for, `rule` what decided; of a blend, what it gains over the better layer and its parts.
    """

    layer: Answerer
    rule: Rule
    policy: PolicyRule = "fidelity"
    lag: int | None = None
    bucket: str | None = None
    batch_fidelity: Measure | None = None
    speed_fidelity: Measure | None = None
    rejected: tuple[Rejection, ...] = ()
    blend_gain: Measure | None = None
    sources: tuple[Source, ...] = ()


def arbitrate(candidates: Candidates, context: Context) -> Decision:
    """The decision for any two records of one entity and use case.

    Raises ValueError only for a programming error: records of another use case, layer or entity.
    """
    _check(candidates, context.use_case)
    batch_reason = candidates.batch and rejection(candidates.batch, context)
    speed_reason = candidates.speed and rejection(candidates.speed, context)
    batch = None if batch_reason else candidates.batch
    speed = None if speed_reason else candidates.speed
    if batch and speed:
        return _between(batch, speed, context)
    reasons: list[tuple[Layer, Reason | None]] = [("batch", batch_reason or None), ("speed", speed_reason or None)]
    rejected = tuple(Rejection(layer, reason) for layer, reason in reasons if reason)
    layer, rule = _alone(batch, speed)
    return Decision(layer=layer, rule=rule, policy=context.policy.rule, rejected=rejected)


def rejection(record: Prediction, context: Context) -> Reason | None:
    """Why a record may not answer, or None where it may."""
    if context.generations.horizon(record.generation) is None:
        return "withdrawn" if record.generation in context.generations.withdrawn else "unknown_generation"
    hours = context.policy.batch_hours if record.layer == "batch" else context.policy.speed_hours
    return "expired" if age(record, context.generations, context.now) > hours * HOUR else None


def age(record: Prediction, generations: Generations, now: int) -> int:
    """Microseconds since the newest moment the record knows of; 0 where that lies ahead of `now`.

    A batch record has seen everything before its generation's horizon, however long the entity was silent.
    """
    horizon = generations.horizon(record.generation) if record.layer == "batch" else None
    return max(0, now - (parse_rfc3339(record.as_of) if horizon is None else horizon))


def _alone(batch: Prediction | None, speed: Prediction | None) -> tuple[Answerer, Rule]:
    if batch:
        return "batch", "only_batch"
    return ("speed", "only_speed") if speed else ("fallback", "fallback")


def _between(batch: Prediction, speed: Prediction, context: Context) -> Decision:
    lag = max(0, speed.evidence - batch.evidence)
    table = context.fidelity
    of_batch = table.of(context.use_case, "batch", lag) if table else None
    of_speed = table.of(context.use_case, "speed", lag) if table else None
    gain = table.gain(context.use_case, lag) if table else None
    blend = _sure_blend(batch, speed, context, lag)
    if blend:
        return Decision(
            layer="blend", rule="blend", policy=context.policy.rule, lag=lag, bucket=bucket(lag),
            batch_fidelity=of_batch, speed_fidelity=of_speed, blend_gain=blend.gain,
            sources=(_source(batch, 1 - blend.weight), _source(speed, blend.weight)),
        )  # fmt: skip
    layer, rule = _preferred(batch, speed, context.policy, _better(of_batch, of_speed, gain, context.policy))
    return Decision(
        layer=layer, rule=rule, policy=context.policy.rule, lag=lag, bucket=bucket(lag),
        batch_fidelity=of_batch, speed_fidelity=of_speed,
    )  # fmt: skip


def _sure_blend(batch: Prediction, speed: Prediction, context: Context, lag: int) -> Blend | None:
    """The blend, where the policy wants one, of the same model's answers, that gains more than the margin."""
    policy, table = context.policy, context.fidelity
    if table is None or not policy.blend or policy.rule != "fidelity":
        return None
    if (batch.generation, batch.model_version) != (speed.generation, speed.model_version):
        return None
    found = table.blend(context.use_case, lag)
    return found if found and found.gain.value > policy.margin_errors * found.gain.standard_error else None


def _source(record: Prediction, weight: float) -> Source:
    return Source(
        record.layer, weight, record.model, record.model_version, record.generation, record.as_of, record.evidence
    )


def _preferred(batch: Prediction, speed: Prediction, policy: Policy, better: Layer | None) -> tuple[Layer, Rule]:
    """The layer that the policy prefers where both may answer, and by what; `better` measures higher, if any does."""
    if policy.rule == "batch_first":
        return "batch", "batch_first"
    if policy.rule == "speed_first":
        return "speed", "speed_first"
    if policy.rule == "fidelity" and better:
        return better, "fidelity"
    newer = _newer(batch, speed)
    return (newer, "newer") if newer else ("batch", "batch_default")


def _better(batch: Measure | None, speed: Measure | None, gain: Measure | None, policy: Policy) -> Layer | None:
    """The layer that measures higher by more than the margin; None for a tie or where one was not measured.

    Both layers answered the same cases, so `gain` errs less than two figures that are independent of each other.
    """
    if batch is None or speed is None:
        return None
    error = math.hypot(batch.standard_error, speed.standard_error) if gain is None else gain.standard_error
    difference, margin = speed.value - batch.value, policy.margin_errors * error
    if difference > margin:
        return "speed"
    return "batch" if -difference > margin else None


def _newer(batch: Prediction, speed: Prediction) -> Layer | None:
    batch_as_of, speed_as_of = parse_rfc3339(batch.as_of), parse_rfc3339(speed.as_of)
    if batch_as_of == speed_as_of:
        return None
    return "batch" if batch_as_of > speed_as_of else "speed"


def _check(candidates: Candidates, use_case: UseCase) -> None:
    batch, speed = candidates.batch, candidates.speed
    for layer, record in (("batch", batch), ("speed", speed)):
        if record and (record.use_case != use_case or record.layer != layer):
            raise ValueError(f"want a {layer} record of {use_case}, have a {record.layer} record of {record.use_case}")
    if batch and speed and batch.entity != speed.entity:
        both = sorted((batch.entity, speed.entity))
        raise ValueError(f"want records of one entity, have {' and '.join(both)}")
