"""Two layers' answers as one: weighing, the backtest's weight and gain, and when the arbiter takes it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_arbiter import H2, TIE, batch, context, measured, policy, speed

from batch.judgement.blends import blends
from batch.judgement.lags import Bootstrap
from batch.judgement.panel import Panel
from lambda_arch.blending import HEAD, blended, blended_lists
from lambda_arch.clock import rfc3339
from lambda_arch.fidelity import Blend, FidelityTable, decode_fidelity
from lambda_arch.records import UseCase
from serving.arbiter import Candidates, arbitrate
from serving.words import sentence

BOOTSTRAP = Bootstrap(resamples=1000, seed=1, least_cases=100)
lists = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), unique=True, max_size=20)


def test_probabilities_and_shares_are_weighed() -> None:
    old, new = (
        {"probability": 0.2, "at_risk": False, "cutoff": 0.4},
        {"probability": 0.6, "at_risk": True, "cutoff": 0.4},
    )
    assert blended("churn", old, new, 0.25) == {"probability": 0.3, "at_risk": False, "cutoff": 0.4}
    felt = [{"positive": share, "low": share - 0.1, "high": share + 0.1, "posts": 4} for share in (0.2, 0.4)]
    assert blended("sentiment", *felt, 0.5) == {"positive": 0.3, "low": 0.2, "high": 0.4, "posts": 4}
    assert blended("segment", {"segment": 1}, {"segment": 2}, 0.5) is None


@given(lists, lists, st.floats(0, 1))
def test_a_fused_list_has_each_title_once_and_heads_first(one: list[str], other: list[str], weight: float) -> None:
    fused = [title for title, _ in blended_lists(one, other, weight)]
    assert sorted(fused) == sorted({*one, *other})
    heads = {*one[:HEAD], *other[:HEAD]}
    assert set(fused[: len(heads)]) == heads


@given(lists, lists)
def test_all_the_weight_on_one_list_gives_its_head_in_order(one: list[str], other: list[str]) -> None:
    head = one[:HEAD]
    assert [title for title, _ in blended_lists(one, other, 0.0)][: len(head)] == head
    assert [title for title, _ in blended_lists(other, one, 1.0)][: len(head)] == head


@given(lists, lists, st.floats(0, 1))
def test_what_the_backtest_judges_is_what_is_served(one: list[str], other: list[str], weight: float) -> None:
    """The backtest has the first ten of either list, service has all."""
    served = [title for title, _ in blended_lists(one, other, weight)]
    judged = [title for title, _ in blended_lists(one[:HEAD], other[:HEAD], weight)]
    assert set(served[: len(judged)]) == set(judged)


def planted(better_by: float, seed: int = 3) -> Panel:
    """Two cases of each of 400 entities at lag 3: two layers as good as each other, and their blends."""
    rng = np.random.default_rng(seed)
    entity = np.repeat(np.arange(400), 2)
    one, other = rng.normal(size=(2, len(entity)))
    middle = (one + other) / 2 + better_by
    found = {"0.25": middle - 0.2, "0.5": middle, "0.75": middle - 0.2}
    return Panel(entity, np.full(len(entity), "2-4"), {"batch": one, "speed": other}, {}, [()] * len(entity), found)


def test_a_blend_that_is_better_is_found_with_its_gain_on_the_other_half() -> None:
    blend = blends(planted(0.5), BOOTSTRAP)["2-4"]
    assert blend.weight == 0.5
    assert blend.gain.cases == 400
    assert blend.gain.value > 3 * blend.gain.standard_error


def test_the_best_of_many_useless_weights_is_not_taken_for_better() -> None:
    """Chosen and judged on the same cases, the best of thirty random answers would seem to gain every time."""
    sure = 0
    for seed in range(40):
        rng, plain = np.random.default_rng(seed), planted(0.0, seed)
        noise = {str(at): plain.answers["batch"] + rng.normal(size=len(plain.entity)) for at in range(30)}
        blend = blends(Panel(plain.entity, plain.bucket, plain.answers, {}, plain.listed, noise), BOOTSTRAP)["2-4"]
        sure += blend.gain.value > 2 * blend.gain.standard_error
    assert sure <= 4


def test_too_few_cases_have_no_blend() -> None:
    whole = planted(0.5)
    assert blends(whole.where(whole.entity < 20), BOOTSTRAP) == {}


SURE, UNSURE = (
    msgspec.structs.replace(TIE, blends={"churn": {"0": Blend(0.25, measured(0.02, error))}}) for error in (0.01, 0.03)
)
WANTED = policy(blend=True)
ROWS = {
    "a sure gain, and the policy wants blends": (SURE, WANTED, {}, "blend blend"),
    "a gain within its standard error": (UNSURE, WANTED, {}, "speed newer"),
    "a sure gain that nobody asked for": (SURE, policy(), {}, "speed newer"),
    "no blend was measured": (TIE, WANTED, {}, "speed newer"),
    "records of two generations are not mixed": (SURE, WANTED, {"generation": 1}, "speed newer"),
    "records of two models are not mixed": (SURE, WANTED, {"model_version": 1}, "speed newer"),
    "another rule has no blend": (SURE, policy(blend=True, rule="batch_first"), {}, "batch batch_first"),
}


@pytest.mark.parametrize(("fidelity", "asked", "changes", "expected"), ROWS.values(), ids=ROWS.keys())
def test_when_the_arbiter_blends(
    fidelity: FidelityTable, asked: object, changes: dict[str, int], expected: str
) -> None:
    decision = arbitrate(Candidates(batch(), speed(**changes)), context(fidelity, policy=asked))
    assert f"{decision.layer} {decision.rule}" == expected


def test_a_blend_names_both_records_and_its_gain() -> None:
    decision = arbitrate(Candidates(batch(), speed(as_of=rfc3339(H2 + 1))), context(SURE, policy=WANTED))
    assert [(source.layer, source.weight) for source in decision.sources] == [("batch", 0.75), ("speed", 0.25)]
    assert sentence("churn", decision) == (
        "blend: 75% batch and 25% speed, whose minus log-loss at lag 0 is above the better layer's by 0.02 ± 0.01"
    )


@pytest.mark.parametrize("use_case", ["churn", "recommend", "sentiment"])
def test_a_table_of_the_release_before_has_no_blends(use_case: UseCase) -> None:
    stored = msgspec.json.encode({"generation": 1, "measures": {}, "gains": {}, "schema": 1})
    assert decode_fidelity(stored).blend(use_case, 3) is None
