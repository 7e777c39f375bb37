"""Fidelity by lag: planted panels whose right figures follow by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from batch.judgement.cases import INCUMBENT
from batch.judgement.lags import Bootstrap, by_lag, shares
from batch.judgement.panel import Panel
from lambda_arch.fidelity import BUCKETS

BOOTSTRAP = Bootstrap(resamples=1000, seed=1, least_cases=100)


@pytest.mark.parametrize(
    ("cases", "at", "weights"),
    [
        ({"1": 100, "2-4": 100}, "1", {"1": 1}),
        ({"1": 150, "2-4": 60}, "2-4", {"2-4": 0.6, "1": 0.4}),
        ({"1": 150, "2-4": 60, "5-19": 50}, "2-4", {"2-4": 0.6, "1": 0.3, "5-19": 0.1}),
        ({"1": 300}, "2-4", {"1": 1}),
        ({"1": 300}, "20+", {"1": 1}),
        ({"1": 300, "5-19": 80}, "20+", {"5-19": 0.8, "1": 0.2}),
        ({"1": 10, "2-4": 30}, "1", {"1": 0.25, "2-4": 0.75}),
        ({"0": 500, "1": 10}, "1", {"1": 1}),
        ({"0": 5, "1": 500}, "0", {"0": 1}),
    ],
    ids=[
        "enough of its own", "the rest from a neighbour", "the rest from both neighbours by their cases",
        "none of its own", "none nearer", "the nearest first", "all there are are too few", "never from lag 0",
        "never to lag 0",
    ],
)  # fmt: skip
def test_what_a_lag_lacks_comes_from_its_neighbours(cases: dict[str, int], at: str, weights: dict[str, float]) -> None:
    assert shares(cases, 100)[at] == pytest.approx(weights)


def test_without_a_case_at_any_lag_there_is_nothing_to_borrow() -> None:
    assert shares({"0": 500}, 100) == {"0": {"0": 1.0}}
    assert shares({}, 100) == {}


def planted(batch: Mapping[str, float], speed: Mapping[str, float], cases: Mapping[str, int]) -> Panel:
    """Cases one to an entity, with noise that both layers share."""
    rng, at = np.random.default_rng(6), np.repeat(list(cases), list(cases.values()))
    noise = rng.normal(scale=0.3, size=len(at))
    answers = {
        name: np.array([of[bucket] for bucket in at]) + noise for name, of in (("batch", batch), ("speed", speed))
    }
    answers |= {"popular": noise, f"{INCUMBENT}batch": noise - 1, f"{INCUMBENT}speed": noise - 2}
    return Panel(np.arange(len(at)), at, answers, {}, [()] * len(at))


FADING = dict(zip(BUCKETS, (0.5, 0.48, 0.46, 0.4, 0.2), strict=True))
STEADY = dict.fromkeys(BUCKETS, 0.5)


def test_the_speed_layer_wins_where_batch_has_missed_much_and_equals_it_where_nothing_is_unseen() -> None:
    found = by_lag(planted(FADING, STEADY, dict.fromkeys(BUCKETS, 400)), "", BOOTSTRAP)
    assert found.measures["batch"]["0"] == found.measures["speed"]["0"]
    assert (found.gains["0"].value, found.gains["0"].standard_error) == (0.0, 0.0)
    assert found.gains["20+"].value == pytest.approx(0.3)
    assert all(not measure.borrowed for layer in found.measures.values() for measure in layer.values())


def test_the_gain_s_error_is_that_of_the_difference_and_not_of_both_layers() -> None:
    """Both layers share their noise, as they share their viewers: the difference is sure where the values are not."""
    found = by_lag(planted(FADING, STEADY, dict.fromkeys(BUCKETS, 400)), "", BOOTSTRAP)
    assert found.measures["speed"]["20+"].standard_error == pytest.approx(0.3 / 20, rel=0.1)
    assert found.gains["20+"].standard_error == pytest.approx(0, abs=1e-6)


def test_a_lag_that_borrows_says_from_where_and_errs_by_how_far_the_buckets_lie_apart() -> None:
    found = by_lag(planted(FADING, STEADY, {"0": 400, "1": 400, "5-19": 400, "20+": 50}), "", BOOTSTRAP)
    own, lent = found.measures["batch"]["5-19"], found.measures["batch"]["20+"]
    assert (own.borrowed, own.cases) == ((), 400)
    assert (lent.borrowed, lent.cases) == (("5-19",), 50)
    assert found.gains["20+"].value == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)
    assert found.gains["20+"].standard_error == pytest.approx(0.1, abs=1e-5)  # 0.3 and 0.1 lie 0.1 from their mean
    between = found.gains["2-4"]
    assert (between.borrowed, between.cases) == (("1", "5-19"), 0)
    assert between.value == pytest.approx((0.02 + 0.1) / 2)


def test_contestants_have_their_own_layers_and_share_the_baselines() -> None:
    panel = planted(FADING, STEADY, dict.fromkeys(BUCKETS, 100))
    own, incumbent = by_lag(panel, "", BOOTSTRAP), by_lag(panel, INCUMBENT, BOOTSTRAP)
    assert set(own.measures) == set(incumbent.measures) == {"batch", "speed", "popular"}
    assert own.measures["popular"] == incumbent.measures["popular"]
    assert incumbent.gains["1"].value == pytest.approx(-1)
    assert incumbent.measures["batch"]["1"].value == pytest.approx(own.measures["popular"]["1"].value - 1, abs=1e-5)
