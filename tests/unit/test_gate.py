"""The gate's decisions as tables of rows: each refusal for its own reason, and only for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.judgement.evidence import Evidence, Rival
from batch.judgement.gate import NEEDED, Counts, judge, refusal
from lambda_arch.clock import HOUR
from lambda_arch.recipes import Bar, Gate
from lambda_arch.records import USE_CASES

HORIZON = 1000 * HOUR
OPEN = Bar(baselines={}, min_cases=0, criteria={})
GATE = Gate(
    min_users=20, min_share=0.7, max_silence_hours=24.0, recommend=OPEN, segment=OPEN, sentiment=OPEN,
    churn=Bar(baselines={"base_rate": "above"}, min_cases=10, criteria={"precision": 0.5}),
)  # fmt: skip


def rival(low: float, high: float, name: str = "base_rate") -> Rival:
    return Rival(name, value=-0.5, gain=(low + high) / 2, low=low, high=high)


def shown(*baselines: Rival, cases: int = 10, incumbent: Rival | None = None, precision: float = 0.5) -> Evidence:
    return Evidence("minus log-loss", -0.4, cases, baselines, incumbent, {"precision": precision})


BETTER = rival(0.01, 0.2)
ROWS: dict[str, tuple[Evidence, str]] = {
    "better than the baseline, enough cases, precise enough": (shown(BETTER), ""),
    "one case too few": (shown(BETTER, cases=9), "measured on 9 cases, at least 10 are asked"),
    "above the baseline, but not with certainty": (shown(rival(0.0, 0.2)), "against -0.5000 of baseline base_rate"),
    "worse than the baseline": (shown(rival(-0.2, -0.1)), "interval -0.2000 to -0.1000, must lie above 0"),
    "the baseline was not measured": (shown(rival(0.1, 0.2, "other")), "baseline base_rate was not measured"),
    "a further baseline that nobody asked for": (shown(BETTER, rival(-2, -1, "oracle")), ""),
    "as good as the incumbent": (shown(BETTER, incumbent=rival(0.0, 0.0)), ""),
    "worse than the incumbent, but not with certainty": (shown(BETTER, incumbent=rival(-0.2, 0.0)), ""),
    "worse than the incumbent": (shown(BETTER, incumbent=rival(-0.2, -0.01)), "of incumbent: gain"),
    "not precise enough for the business": (shown(BETTER, precision=0.49), "precision 0.4900, at least 0.5 is asked"),
    "the business's measure is missing": (
        Evidence("minus log-loss", -0.4, 10, (BETTER,)), "precision was not measured, at least 0.5 is asked"),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "reason"), ROWS.values(), ids=ROWS.keys())
def test_a_model_is_accepted_or_refused_for_one_reason(evidence: Evidence, reason: str) -> None:
    verdict = judge(["churn"], {"churn": evidence}, GATE, {})["churn"]
    failed = [check.sentence for check in verdict.checks if not check.passed]
    assert (verdict.accepted, len(failed)) == (not reason, int(bool(reason)))
    assert reason in verdict.reasons()


def test_level_asks_only_not_to_be_worse() -> None:
    level = GATE.model_copy(update={"churn": GATE.churn.model_copy(update={"baselines": {"base_rate": "level"}})})
    for against, accepted in ((rival(-0.2, 0.0), True), (rival(-0.2, -0.1), False)):
        assert judge(["churn"], {"churn": shown(against)}, level, {})["churn"].accepted is accepted


def test_every_reason_is_told() -> None:
    verdict = judge(["churn"], {"churn": shown(rival(-1, 0), cases=1, precision=0.1)}, GATE, {})["churn"]
    assert [(check.name, check.passed) for check in verdict.checks] == [
        ("cases", False), ("baseline base_rate", False), ("precision", False)
    ]  # fmt: skip
    assert verdict.reasons().count("; ") == 2


@pytest.mark.parametrize("use_case", USE_CASES)
def test_where_no_model_could_be_trained_the_verdict_says_what_is_needed(use_case: Any) -> None:
    verdict = judge([], {}, GATE, {})[use_case]
    assert (verdict.accepted, verdict.reasons()) == (False, f"no model could be trained: {NEEDED[use_case]}")


@pytest.mark.parametrize("use_case", USE_CASES)
def test_where_it_is_known_why_no_model_could_be_trained_the_verdict_says_so_before(use_case: Any) -> None:
    verdicts = judge([], {}, GATE, {use_case: "all 9 stayed"})
    assert verdicts[use_case].reasons() == f"no model could be trained: all 9 stayed; {NEEDED[use_case]}"
    assert [name for name, verdict in verdicts.items() if "stayed" in verdict.reasons()] == [use_case]


def test_a_model_nobody_measured_has_no_case() -> None:
    verdicts = judge(USE_CASES, {}, GATE, {})
    assert "measured on 0 cases" in verdicts["churn"].reasons()
    assert verdicts["segment"].accepted  # nothing is asked of it


SIZES: dict[str, tuple[Counts, int | None, str | None]] = {
    "enough": (Counts(20, HORIZON - 24 * HOUR), None, None),
    "nobody": (Counts(0, None), None, "no user has an event before the horizon"),
    "below the floor": (Counts(19, HORIZON - 1), None, "19 users, fewer than batch.gate.min_users = 20"),
    "as many as must be": (Counts(70, HORIZON - 1), 100, None),
    "half the users missing": (Counts(50, HORIZON - 1), 100, "50 users, less than batch.gate.min_share"),
    "an empty day": (Counts(20, HORIZON - 25 * HOUR), None, "25 hours earlier, more than batch.gate.max_silence_hours"),
}  # fmt: skip


@pytest.mark.parametrize(("counts", "in_service", "reason"), SIZES.values(), ids=SIZES.keys())
def test_a_generation_is_refused_before_it_is_trained(
    counts: Counts, in_service: int | None, reason: str | None
) -> None:
    told = refusal(counts, in_service, HORIZON, GATE)
    assert (told is None) == (reason is None)
    assert (reason or "") in (told or "")


numbers = st.floats(allow_nan=False)
rivals = st.builds(Rival, name=st.sampled_from(["base_rate", "other"]), value=numbers, gain=numbers, low=numbers,
                   high=numbers)  # fmt: skip
evidences = st.builds(
    Evidence, metric=st.text(), value=numbers, cases=st.integers(0, 30), baselines=st.lists(rivals).map(tuple),
    incumbent=st.none() | rivals, measures=st.dictionaries(st.sampled_from(["precision", "auc"]), numbers),
)  # fmt: skip


@given(st.sets(st.sampled_from(USE_CASES)), st.dictionaries(st.sampled_from(USE_CASES), evidences))
def test_every_use_case_gets_a_verdict_and_a_refusal_its_reasons(trained: Any, evidence: Any) -> None:
    verdicts = judge(trained, evidence, GATE, {"churn": "all stayed"})
    assert set(verdicts) == set(USE_CASES)
    for use_case, verdict in verdicts.items():
        assert verdict.accepted == (not verdict.reasons())
        assert verdict.accepted <= (use_case in trained)
