"""Experiments: sticky, even and independent splits; settings that fit; a test that may be looked at at any time."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.measures.experiment_report import Served, hit_rates, report
from batch.measures.outcomes import Exposure, Outcome
from batch.measures.sequential import ALPHA, LEAST, Tally, compared
from lambda_arch.config import ConfigError, load_config
from lambda_arch.experiments import NOTHING, Experiment, assigned

MANY = 20_000


def experiment(name: str = "order", share: float = 1.0, **changes: object) -> Experiment:
    arms = {"control": {"weight": 1}, "newest": {"weight": 3, "policy": {"rule": "newest"}}}
    fields = {"name": name, "use_case": "churn", "share": share, "arms": arms, **changes}
    return Experiment.model_validate(fields)


@given(st.text(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_nobody_changes_arms_and_a_greater_share_only_adds(entity: str, one: float, other: float) -> None:
    less, more = (experiment(share=share).arm_of(entity) for share in sorted((one, other)))
    assert less in (None, more)
    assert more == experiment(share=max(one, other)).arm_of(entity)


def test_shares_and_weights_are_within_five_standard_errors() -> None:
    arms = [experiment(share=0.4).arm_of(f"u:{number}") for number in range(MANY)]
    for arm, share in ((None, 0.6), ("control", 0.1), ("newest", 0.3)):
        assert abs(arms.count(arm) - MANY * share) < 5 * math.sqrt(MANY * share * (1 - share))


def test_two_experiments_split_independently() -> None:
    one, other = experiment("one"), experiment("other")
    both = sum(one.arm_of(f"u:{number}") == other.arm_of(f"u:{number}") == "newest" for number in range(MANY))
    share = 0.75 * 0.75
    assert abs(both - MANY * share) < 5 * math.sqrt(MANY * share * (1 - share))


def test_a_shadow_changes_nothing_that_is_shown() -> None:
    shown, shadow = experiment("shown"), experiment("hidden", shadow=True)
    found = assigned([shown, shadow], "churn", "u:7")
    assert found.arms == {"shown": shown.arm_of("u:7")}
    assert [(name, arm) for name, arm, _ in found.shadows] == [("hidden", shadow.arm_of("u:7"))]
    assert assigned([shown], "segment", "u:7") is NOTHING


WRONG = {
    "one arm": ("arms: {all: {weight: 1}}", "want two arms"),
    "a weight of nothing": ("arms: {a: {weight: 0}, b: {weight: 1}}", "greater than 0"),
    "a setting that no policy has": ("arms: {a: {weight: 1}, b: {weight: 1, policy: {rulez: newest}}}", "rulez"),
    "a rule that there is not": ("arms: {a: {weight: 1}, b: {weight: 1, policy: {rule: oldest}}}", "rule"),
    "a placement of churn": (
        "arms: {a: {weight: 1}, b: {weight: 1, placement: home}}",
        "only recommend has placements",
    ),
    "a name with a space": ("name: a b, arms: {a: {weight: 1}, b: {weight: 1}}", "name"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, told: str) -> None:
    name = "" if "name:" in text else "name: x, "
    file = tmp_path / "settings.yaml"
    file.write_text(f"serving: {{experiments: [{{{name}use_case: churn, {text}}}]}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        load_config({}, file)


def test_two_shown_experiments_of_one_use_case_are_refused(tmp_path: Path) -> None:
    arms = "arms: {a: {weight: 1}, b: {weight: 1}}"
    both = f"[{{name: x, use_case: churn, {arms}}}, {{name: y, use_case: churn, {arms}}}]"
    file = tmp_path / "settings.yaml"
    file.write_text(f"serving: {{experiments: {both}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match="would hide each other"):
        load_config({}, file)


# -- the sequential test ------------------------------------------------------------------------------------------

RUNS, USERS, LOOK = 400, 4000, 50


def looks(first: float, other: float, seed: int) -> list[list[tuple[Tally, Tally]]]:
    """Runs of two arms of the given shares, each as it stands after every so many users."""
    rng = np.random.default_rng(seed)
    sums = [(rng.random((RUNS, USERS)) < share).cumsum(axis=1)[:, LOOK - 1 :: LOOK] for share in (first, other)]
    return [
        [
            (Tally(LOOK * (at + 1), int(one)), Tally(LOOK * (at + 1), int(two)))
            for at, (one, two) in enumerate(zip(*run, strict=True))
        ]
        for run in zip(*sums, strict=True)
    ]


def test_who_peeks_eighty_times_is_wrong_no_more_often_than_promised() -> None:
    """Without a difference: at any of the looks, where the fixed test that is peeked at is wrong far more often."""
    runs = looks(0.2, 0.2, seed=5)
    sequential = sum(any(compared(*look).p_value < ALPHA for look in run) for run in runs)
    fixed = sum(any(_fixed(*look) for look in run) for run in runs)
    assert sequential <= RUNS * ALPHA
    assert fixed > 3 * RUNS * ALPHA


def test_a_difference_is_found() -> None:
    runs = looks(0.2, 0.25, seed=6)
    assert sum(any(compared(*look).p_value < ALPHA for look in run) for run in runs) > 0.9 * RUNS


def test_the_interval_holds_the_difference_at_every_look() -> None:
    missed = 0
    for run in looks(0.2, 0.25, seed=7):
        found = [compared(*look) for look in run]
        missed += any(not one.low <= 0.05 <= one.high for one in found)
    assert missed <= RUNS * ALPHA


def test_the_p_value_and_the_interval_say_the_same() -> None:
    found = [compared(*look) for run in looks(0.2, 0.25, seed=8)[:20] for look in run]
    assert {one.p_value < ALPHA for one in found} == {True, False}
    assert all((one.p_value < ALPHA) == (one.low > 0 or one.high < 0) for one in found)


def test_too_few_users_say_nothing() -> None:
    assert compared(Tally(LEAST - 1, 0), Tally(10_000, 9_000)).p_value == 1.0


def _fixed(first: Tally, other: Tally) -> bool:
    """The usual test of two shares at five percent."""
    pooled = (first.outcomes + other.outcomes) / (first.users + other.users)
    error = math.sqrt(pooled * (1 - pooled) * (1 / first.users + 1 / other.users))
    return first.users >= LEAST and abs(first.share - other.share) > 1.96 * error


# -- the report ---------------------------------------------------------------------------------------------------


def served(number: int, user: str, arm: str, use_case: str = "churn", layer: str = "batch") -> Served:
    return Served(Exposure(number, user, number, ["a"]), use_case, layer, {"order": arm})


def test_a_user_counts_once_by_the_first_answer_whose_hours_have_passed() -> None:
    answers = [served(1, "x", "control"), served(2, "x", "control"), served(3, "y", "newest"), served(4, "z", "newest")]
    answers.append(served(5, "w", "control", use_case="segment"))
    followed = {1: Outcome(False, True), 2: Outcome(False, False), 3: Outcome(True, False), 5: Outcome(True, True)}
    found = report(experiment(), answers, followed)
    assert {arm: (tally["users"], tally["outcomes"]) for arm, tally in found["arms"].items()} == {
        "control": (1, 1), "newest": (1, 0),
    }  # fmt: skip
    assert found["comparisons"]["newest"]["p_value"] == 1.0


def test_hit_rates_are_by_the_layer_that_answered() -> None:
    answers = [served(number, f"u{number // 2}", "control", "recommend", "batch") for number in range(4)]
    answers += [served(9, "u9", "control", "recommend", "speed"), served(10, "u9", "control", "churn", "speed")]
    followed = {number: Outcome(number in (0, 9), False) for number in (0, 1, 2, 3, 9, 10)}
    found = hit_rates(answers, followed)
    assert (found["batch"]["hit_rate"], found["batch"]["lists"], found["batch"]["users"]) == (0.25, 4, 2)
    assert (found["speed"]["hit_rate"], found["speed"]["lists"]) == (1.0, 1)
