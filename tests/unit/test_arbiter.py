"""The arbiter's decisions: a table of literal rows, and what must hold for any records."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import HOUR, parse_rfc3339, rfc3339
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.keys import Generations
from lambda_arch.policies import Policy
from lambda_arch.records import Prediction, order
from serving.arbiter import Candidates, Context, Decision, age, arbitrate, candidates_of
from serving.words import sentence

H2, H1 = parse_rfc3339("2016-01-02T00:00:00Z"), parse_rfc3339("2016-01-01T00:00:00Z")
NOW = H2 + 10 * HOUR
GENERATIONS = Generations(current=2, current_horizon=H2, previous=1, previous_horizon=H1)
POLICY = Policy(rule="fidelity", margin_errors=1.0, batch_hours=48, speed_hours=24)


def record(layer: str, **changes: object) -> Prediction:
    seen = H2 - HOUR if layer == "batch" else H2 + 9 * HOUR
    plain = Prediction(
        use_case="churn", entity="u:42", value={}, layer=layer, model="m", model_version=2,  # type: ignore[arg-type]
        as_of=rfc3339(seen), evidence=10, generation=2, written_at=rfc3339(seen),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def batch(**changes: object) -> Prediction:
    return record("batch", **changes)


def speed(**changes: object) -> Prediction:
    return record("speed", **changes)


def table(of_batch: Measure | None, of_speed: Measure | None, bucket: str = "0") -> FidelityTable:
    layers = {"batch": of_batch, "speed": of_speed}
    return FidelityTable(2, {"churn": {name: {bucket: measure} for name, measure in layers.items() if measure}})


def measured(value: float, error: float = 0.01) -> Measure:
    return Measure(value, error, 100)


def context(fidelity: FidelityTable | None = None, **changes: object) -> Context:
    plain = Context(use_case="churn", generations=GENERATIONS, fidelity=fidelity, now=NOW, policy=POLICY)
    return msgspec.structs.replace(plain, **changes)


def policy(**changes: object) -> Policy:
    return POLICY.model_copy(update=changes)


SPEED_BETTER = table(measured(0.1), measured(0.2))
BATCH_BETTER = table(measured(0.2), measured(0.1))
TIE = table(measured(0.2), measured(0.21))
SURE_GAIN, UNSURE_GAIN = (
    msgspec.structs.replace(TIE, gains={"churn": {"0": measured(0.01, error)}}) for error in (0.002, 0.02)
)

ROWS: dict[str, tuple[Candidates, Context, str]] = {
    "nobody says anything: fallback": (Candidates(), context(), "fallback fallback"),
    "only batch has an answer": (Candidates(batch()), context(), "batch only_batch"),
    "only speed has an answer": (Candidates(None, speed()), context(), "speed only_speed"),
    "on the same cases speed's gain is sure where the figures alone overlap": (
        Candidates(batch(), speed()), context(SURE_GAIN), "speed fidelity"),
    "on the same cases the gain is not sure": (
        Candidates(batch(as_of=rfc3339(H2 - 1)), speed(as_of=rfc3339(H2 - 2))), context(UNSURE_GAIN), "batch newer"),
    "speed measures clearly higher": (Candidates(batch(), speed()), context(SPEED_BETTER), "speed fidelity"),
    "batch measures clearly higher, though speed is newer": (
        Candidates(batch(), speed()), context(BATCH_BETTER), "batch fidelity"),
    "a difference within the standard error is a tie: the newer": (
        Candidates(batch(), speed()), context(TIE), "speed newer"),
    "a tie where batch has seen the newer event": (
        Candidates(batch(as_of=rfc3339(H2 - 1)), speed(as_of=rfc3339(H2 - 2))), context(TIE), "batch newer"),
    "a tie and the same newest event: batch": (
        Candidates(batch(as_of=rfc3339(H2 - 1)), speed(as_of=rfc3339(H2 - 1))), context(TIE), "batch batch_default"),
    "a difference of exactly the margin is a tie": (
        Candidates(batch(), speed()), context(table(measured(0.5, 0.0), measured(0.5, 0.0))), "speed newer"),
    "the margin is the error of the difference, less than the sum of both errors": (
        Candidates(batch(), speed()), context(table(measured(0.2, 0.03), measured(0.255, 0.04))), "speed fidelity"),
    "a difference just within the error of the difference": (
        Candidates(batch(), speed()), context(table(measured(0.245, 0.03), measured(0.2, 0.04))), "speed newer"),
    "without a margin the least difference decides": (
        Candidates(batch(), speed()), context(TIE, policy=policy(margin_errors=0.0)), "speed fidelity"),
    "a wide margin makes a clear difference a tie": (
        Candidates(batch(), speed()), context(BATCH_BETTER, policy=policy(margin_errors=10.0)), "speed newer"),
    "no fidelity table: the newer": (Candidates(batch(), speed()), context(), "speed newer"),
    "batch was not measured at this lag: the newer": (
        Candidates(batch(), speed()), context(table(None, measured(0.9))), "speed newer"),
    "speed was not measured at this lag: the newer": (
        Candidates(batch(), speed()), context(table(measured(0.9), None)), "speed newer"),
    "measured at another lag only: the newer": (
        Candidates(batch(), speed()), context(table(measured(0.9), measured(0.1), "20+")), "speed newer"),
    "measured at the very lag of three events": (
        Candidates(batch(), speed(evidence=13)), context(table(measured(0.1), measured(0.2), "2-4")), "speed fidelity"),
    "speed with less evidence than batch has lag 0": (
        Candidates(batch(), speed(evidence=3)), context(BATCH_BETTER), "batch fidelity"),
    "a figure that is not a number decides nothing": (
        Candidates(batch(), speed()), context(table(measured(float("nan")), measured(0.1))), "speed newer"),
    "a batch record beyond its limit is out": (
        Candidates(batch(), speed(as_of=rfc3339(H2 + 48 * HOUR))), context(now=H2 + 49 * HOUR),
        "speed only_speed batch:expired"),
    "a batch record at its limit to the microsecond is in": (
        Candidates(batch()), context(now=H2 + 48 * HOUR), "batch only_batch"),
    "a batch record one microsecond beyond its limit is out": (
        Candidates(batch()), context(now=H2 + 48 * HOUR + 1), "fallback fallback batch:expired"),
    "a silent entity's batch record is as old as its horizon, not as its last event": (
        Candidates(batch(as_of="1999-01-01T00:00:00.000000Z")), context(), "batch only_batch"),
    "a speed record beyond its limit is out": (
        Candidates(batch(), speed(as_of=rfc3339(NOW - 25 * HOUR))), context(), "batch only_batch speed:expired"),
    "a speed record from ahead of the clock has age 0": (
        Candidates(None, speed(as_of=rfc3339(NOW + 1000 * HOUR))), context(), "speed only_speed"),
    "a batch record of a horizon ahead of the clock has age 0": (
        Candidates(batch()), context(now=0), "batch only_batch"),
    "a speed record of the previous generation may answer": (
        Candidates(None, speed(generation=1)), context(), "speed only_speed"),
    "a speed record of the previous generation is compared by the current table": (
        Candidates(batch(), speed(generation=1)), context(SPEED_BETTER), "speed fidelity"),
    "a speed record of a generation before the previous is out": (
        Candidates(batch(), speed(generation=0)), context(), "batch only_batch speed:unknown_generation"),
    "a record of a generation not yet current is out": (
        Candidates(batch(), speed(generation=3)), context(), "batch only_batch speed:unknown_generation"),
    "a record of a generation that was withdrawn is out, and says so": (
        Candidates(batch(), speed(generation=3)),
        context(generations=msgspec.structs.replace(GENERATIONS, withdrawn=(3,))), "batch only_batch speed:withdrawn"),
    "a generation that was withdrawn and is previous again may answer": (
        Candidates(None, speed(generation=1)),
        context(generations=msgspec.structs.replace(GENERATIONS, withdrawn=(1,))), "speed only_speed"),
    "newest first: what was measured does not count": (
        Candidates(batch(), speed()), context(BATCH_BETTER, policy=policy(rule="newest")), "speed newer"),
    "newest first, and batch has seen the newer event": (
        Candidates(batch(as_of=rfc3339(H2 - 1)), speed(as_of=rfc3339(H2 - 2))),
        context(SPEED_BETTER, policy=policy(rule="newest")), "batch newer"),
    "newest first, and both have seen the same": (
        Candidates(batch(as_of=rfc3339(H2 - 1)), speed(as_of=rfc3339(H2 - 1))),
        context(SPEED_BETTER, policy=policy(rule="newest")), "batch batch_default"),
    "batch first, though speed is newer and measures higher": (
        Candidates(batch(), speed()), context(SPEED_BETTER, policy=policy(rule="batch_first")), "batch batch_first"),
    "batch first, but its record is beyond its limit": (
        Candidates(batch(), speed(as_of=rfc3339(H2 + 48 * HOUR))),
        context(now=H2 + 49 * HOUR, policy=policy(rule="batch_first")), "speed only_speed batch:expired"),
    "speed first, though batch is newer and measures higher": (
        Candidates(batch(), speed(as_of=rfc3339(H2 - 2 * HOUR))),
        context(BATCH_BETTER, policy=policy(rule="speed_first")), "speed speed_first"),
    "speed first, but it has no record": (
        Candidates(batch()), context(policy=policy(rule="speed_first")), "batch only_batch"),
    "whoever is preferred, nobody who is out answers": (
        Candidates(batch(generation=7), speed(generation=7)), context(policy=policy(rule="speed_first")),
        "fallback fallback batch:unknown_generation speed:unknown_generation"),
    "without a generation nothing stored may answer": (
        Candidates(batch(), speed()), context(generations=Generations()),
        "fallback fallback batch:unknown_generation speed:unknown_generation"),
    "both out for different reasons": (
        Candidates(batch(generation=7), speed(as_of=rfc3339(NOW - 25 * HOUR))), context(),
        "fallback fallback batch:unknown_generation speed:expired"),
}  # fmt: skip


@pytest.mark.parametrize(("candidates", "given_context", "expected"), ROWS.values(), ids=ROWS.keys())
def test_decision(candidates: Candidates, given_context: Context, expected: str) -> None:
    decision = arbitrate(candidates, given_context)
    rejected = [f"{rejection.layer}:{rejection.reason}" for rejection in decision.rejected]
    assert " ".join([decision.layer, decision.rule, *rejected]) == expected


def test_decision_carries_its_figures() -> None:
    fidelity = table(measured(0.17), measured(0.21), "2-4")
    decision = arbitrate(Candidates(batch(), speed(evidence=13)), context(fidelity))
    assert decision == Decision(
        layer="speed", rule="fidelity", lag=3, bucket="2-4",
        batch_fidelity=measured(0.17), speed_fidelity=measured(0.21),
    )  # fmt: skip


@pytest.mark.parametrize(
    "candidates",
    [
        Candidates(speed()),
        Candidates(None, batch()),
        Candidates(batch(use_case="segment")),
        Candidates(batch(), speed(entity="u:43")),
    ],
    ids=["layers swapped", "batch as speed", "another use case", "two entities"],
)
def test_records_that_do_not_belong_are_a_programming_error(candidates: Candidates) -> None:
    with pytest.raises(ValueError, match="want"):
        arbitrate(candidates, context())


def test_a_decision_says_what_was_asked_for_and_what_was_measured_though_it_did_not_count() -> None:
    decision = arbitrate(Candidates(batch(), speed()), context(BATCH_BETTER, policy=policy(rule="newest")))
    assert (decision.policy, decision.rule) == ("newest", "newer")
    assert (decision.batch_fidelity, decision.speed_fidelity) == (measured(0.2), measured(0.1))
    assert sentence("churn", decision) == (
        "speed: its answer has seen newer events, and the policy asks for the newest"
    )


def test_sentences_name_metric_lag_and_both_figures() -> None:
    decision = Decision(
        layer="speed", rule="fidelity", lag=3, bucket="2-4",
        batch_fidelity=measured(0.17), speed_fidelity=measured(0.21),
    )  # fmt: skip
    assert sentence("recommend", decision) == (
        "speed: its measured nDCG@10 of what was watched next at lag 2-4 is 0.21 ± 0.01 against batch's 0.17 ± 0.01"
    )


def test_a_sentence_says_where_a_figure_was_borrowed() -> None:
    lent = table(Measure(0.1, 0.01, 5, ("1", "5-19")), measured(0.2), "2-4")
    decision = arbitrate(Candidates(batch(evidence=10), speed(evidence=13)), context(lent))
    assert "against batch's 0.1 ± 0.01, in part of lag 1 and 5-19" in sentence("churn", decision)


@pytest.mark.parametrize("name", ROWS)
def test_every_decision_has_a_sentence_that_begins_with_the_layer(name: str) -> None:
    candidates, given_context, _ = ROWS[name]
    decision = arbitrate(candidates, given_context)
    said = sentence("churn", decision)
    assert said.startswith(f"{decision.layer}: ")
    assert said.count(";") == len(decision.rejected)


# -- what must hold for any records -----------------------------------------------------------------------------

times = st.integers(0, 4 * NOW)
rules = st.sampled_from(("fidelity", "newest", "batch_first", "speed_first"))
generations = st.integers(0, 4)
measures = st.none() | st.builds(Measure, st.floats(-5, 5), st.floats(0, 1), st.integers(1, 1000))


@st.composite
def records(draw: st.DrawFn, layer: str) -> Prediction:
    return record(
        layer, as_of=rfc3339(draw(times)), evidence=draw(st.integers(0, 60)), generation=draw(generations),
        model_version=draw(generations),
    )  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> FidelityTable:
    buckets = st.sampled_from(("0", "1", "2-4", "5-19", "20+"))
    measured_at = st.dictionaries(buckets, st.builds(Measure, st.floats(-5, 5), st.floats(0, 1), st.just(9)))
    return FidelityTable(2, {"churn": {"batch": draw(measured_at), "speed": draw(measured_at)}})


candidate_pairs = st.builds(Candidates, st.none() | records("batch"), st.none() | records("speed"))
contexts = st.builds(
    Context,
    use_case=st.just("churn"),
    generations=st.builds(Generations, generations, times, generations, times),
    fidelity=st.none() | tables(),
    now=times,
    policy=st.builds(
        Policy, rule=rules, margin_errors=st.floats(0, 5), batch_hours=st.floats(0, 1e6), speed_hours=st.floats(0, 1e6)
    ),
)


@given(candidate_pairs, contexts)
def test_total_and_deterministic(candidates: Candidates, given_context: Context) -> None:
    assert arbitrate(candidates, given_context) == arbitrate(candidates, given_context)


@given(candidate_pairs, contexts)
def test_who_answers_is_there_in_service_and_within_its_limit(candidates: Candidates, given_context: Context) -> None:
    decision = arbitrate(candidates, given_context)
    chosen = {"batch": candidates.batch, "speed": candidates.speed}.get(decision.layer)
    assert (chosen is None) == (decision.layer == "fallback")
    if chosen:
        limit = given_context.policy.batch_hours if chosen.layer == "batch" else given_context.policy.speed_hours
        assert age(chosen, given_context.generations, given_context.now) <= limit * HOUR
        assert chosen.generation in (given_context.generations.current, given_context.generations.previous)


@given(candidate_pairs, contexts)
def test_every_record_answers_is_outvoted_or_is_rejected(candidates: Candidates, given_context: Context) -> None:
    decision = arbitrate(candidates, given_context)
    there = [record for record in (candidates.batch, candidates.speed) if record]
    rejected = {rejection.layer for rejection in decision.rejected}
    assert rejected <= {record.layer for record in there}
    assert decision.layer not in rejected
    assert (decision.lag is not None) == (len(there) - len(rejected) == 2)


@given(
    st.lists(records("batch") | records("speed"), max_size=6).flatmap(
        lambda found: st.tuples(st.just(found), st.permutations(found))
    ),
    contexts,
)
def test_the_order_of_records_is_irrelevant(
    given_records: tuple[list[Prediction], list[Prediction]], given_context: Context
) -> None:
    one, other = (arbitrate(candidates_of(found), given_context) for found in given_records)
    assert one == other


@given(st.lists(records("speed"), min_size=1, max_size=6))
def test_of_several_records_of_a_layer_the_greatest_by_the_stores_order_stands_for_it(found: list[Prediction]) -> None:
    chosen = candidates_of(found).speed
    assert chosen is not None
    assert order(chosen) == max(map(order, found))


@given(contexts)
def test_no_candidates_is_always_the_fallback(given_context: Context) -> None:
    nobody = Decision(layer="fallback", rule="fallback", policy=given_context.policy.rule)
    assert arbitrate(Candidates(), given_context) == nobody


@given(measures, measures, st.none() | st.floats(0, 1), st.floats(0, 5), st.floats(0, 5), rules, times, times)
def test_a_higher_fidelity_never_loses_the_answer(
    of_batch: Measure | None, of_speed: Measure | None, gain_error: float | None, raised_by: float, margin: float,
    rule: str, batch_as_of: int, speed_as_of: int,
) -> None:  # fmt: skip
    always = Policy(rule=rule, margin_errors=margin, batch_hours=1e9, speed_hours=1e9)  # type: ignore[arg-type]
    pair = Candidates(batch(as_of=rfc3339(batch_as_of)), speed(as_of=rfc3339(speed_as_of)))
    before = arbitrate(pair, context(with_gain(of_batch, of_speed, gain_error), policy=always))
    raised = {
        "batch": (_raised(of_batch, raised_by), of_speed),
        "speed": (of_batch, _raised(of_speed, raised_by)),
    }[before.layer]
    after = arbitrate(pair, context(with_gain(*raised, gain_error), policy=always))
    assert after.layer == before.layer


def with_gain(of_batch: Measure | None, of_speed: Measure | None, error: float | None) -> FidelityTable:
    """A table with speed's gain on the same cases, where both were measured and the gain's error is given."""
    found = table(of_batch, of_speed)
    if of_batch is None or of_speed is None or error is None:
        return found
    gain = measured(of_speed.value - of_batch.value, error)
    return msgspec.structs.replace(found, gains={"churn": {"0": gain}})


def _raised(measure: Measure | None, gain: float) -> Measure | None:
    return measure and msgspec.structs.replace(measure, value=measure.value + gain)
