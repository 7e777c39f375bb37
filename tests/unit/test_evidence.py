"""Evidence: tonight's models against rivals on the same cases, and the further figures, by hand."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from batch.judgement.cases import INCUMBENT, POST, Case
from batch.judgement.evidence import evidence_of
from batch.judgement.lags import Bootstrap
from batch.judgement.panel import Panel, panel
from batch.measures.classification import Bin, calibration_error, calls, macro_f1, ranking, reliability
from lambda_arch.models import Models

BOOTSTRAP = Bootstrap(resamples=1000, seed=1, least_cases=100)


def of(*cases: Case) -> Panel:
    rows = [{**case._asdict(), "answers": [*case.answers.items()], "facts": [*case.facts.items()]} for case in cases]
    amounts = pa.map_(pa.string(), pa.float64())
    schema = pa.schema({
        "use_case": pa.string(), "entity": pa.string(), "bucket": pa.string(), "answers": amounts, "facts": amounts,
        "listed": pa.list_(pa.string()),
    })  # fmt: skip
    found = panel(pa.Table.from_pylist(rows, schema), cases[0].use_case)
    assert found is not None
    return found


def test_a_rival_is_compared_case_by_case(small_models: Models) -> None:
    """Viewers differ widely, tonight's lists are better for every one of them: the interval excludes 0 all the same."""
    rng = np.random.default_rng(3)
    cases = [
        Case("recommend", f"u{n}", "0", {"batch": worth + 0.02 + rng.normal(scale=0.01), "popular": worth,
                                         f"{INCUMBENT}batch": worth + 0.05, f"{INCUMBENT}speed": 0.0, "speed": 0.0},
             {"recall": 0.25}, ["a", "b"] if n % 2 else ["a", "c"])
        for n, worth in enumerate(rng.uniform(size=60))
    ]  # fmt: skip
    shown = evidence_of(
        "recommend", of(*cases, Case("recommend", "u0", "1", {"batch": 9.0}, {})), small_models, BOOTSTRAP
    )
    assert shown is not None
    [popular] = shown.baselines
    assert (popular.name, shown.cases) == ("popular", 60)
    assert popular.gain == pytest.approx(shown.value - popular.value, abs=2e-6)
    assert 0.015 < popular.low < popular.gain < popular.high < 0.025
    assert shown.incumbent is not None
    assert (shown.incumbent.name, shown.incumbent.high < 0) == ("incumbent", True)
    assert shown.measures == {"recall@10": 0.25, "coverage@10": 0.75}


def test_churn_s_measures_are_those_of_its_probabilities(small_models: Models) -> None:
    told = [(0.9, 1.0), (0.6, 0.0), (0.41, 1.0), (0.2, 0.0), (0.1, 0.0)]
    cases = [
        Case("churn", f"c{n}", "0", {"batch": -p, "base_rate": -1.0}, {"probability": p, "happened": happened})
        for n, (p, happened) in enumerate(told)
    ]
    shown = evidence_of("churn", of(*cases), small_models, BOOTSTRAP)
    assert shown is not None
    assert shown.incumbent is None
    assert shown.measures["auc"] == pytest.approx(5 / 6, abs=1e-6)
    assert (shown.measures["precision"], shown.measures["recall"]) == (pytest.approx(2 / 3, abs=1e-6), 1.0)
    assert shown.measures["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.59 + 0.2 + 0.1) / 5)
    assert shown.calibration == tuple(Bin(p, happened, 1) for p, happened in reversed(told))


def test_sentiment_is_judged_by_single_posts_and_segments_by_their_viewers(small_models: Models) -> None:
    posts = [
        Case("sentiment", f"t{n % 3}", POST, {"batch": float(right), "majority": 1.0},
             {"told": 2.0 if right else 0.0, "felt": 2.0})
        for n, right in enumerate([True, True, True, False])
    ]  # fmt: skip
    shown = evidence_of(
        "sentiment", of(*posts, Case("sentiment", "t9", "0", {"batch": 0.1}, {})), small_models, BOOTSTRAP
    )
    assert shown is not None
    assert (shown.value, shown.cases, shown.baselines[0].gain) == (0.75, 4, -0.25)
    assert shown.measures == {"macro_f1": pytest.approx(6 / 7 / 2, abs=1e-6)}
    assert shown.calibration == ()
    viewer = Case("segment", "u1", "0", {"batch": 1.0, "largest": 0.0}, {"silhouette": 0.4})
    segments = evidence_of("segment", of(viewer), small_models, BOOTSTRAP)
    assert segments is not None
    assert segments.measures == {"silhouette": 0.4}


def test_without_a_case_where_both_know_the_same_there_is_no_evidence(small_models: Models) -> None:
    assert evidence_of("segment", of(Case("segment", "u1", "1", {"batch": 1.0}, {})), small_models, BOOTSTRAP) is None


def test_figures_do_not_depend_on_the_order_in_which_entities_come(small_models: Models) -> None:
    rng = np.random.default_rng(8)
    cases = [
        Case("segment", f"u{n // 2}", "0", {"batch": rng.uniform(), "largest": rng.uniform()}, {"silhouette": 0.1 * n})
        for n in range(40)
    ]
    first, second = (evidence_of("segment", of(*order), small_models, BOOTSTRAP) for order in (cases, _moved(cases)))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def _moved(cases: list[Case]) -> list[Case]:
    """Entities in another order, each one's cases in theirs."""
    return sorted(cases, key=lambda case: int(case.entity[1:]) * 7 % 20)


def test_probabilities_by_hand() -> None:
    told, happened = np.array([0.95, 0.95, 0.05, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    assert calibration_error(reliability(told, happened)) == pytest.approx((abs(0.95 * 2 + 1 - 2) + 0.05) / 4)
    assert calls(told, happened, 0.95) == {"precision": pytest.approx(2 / 3), "recall": 1.0}
    assert calls(told, happened, 1.1) == {"precision": 0.0, "recall": 0.0}
    assert macro_f1(told > 0.5, happened) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert macro_f1(np.array([0.0, 1, 2, 2]), np.array([0.0, 1, 1, 2])) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert ranking(told, np.ones(4)) == {}
