"""What forecasts are measured on: nothing of the judged week is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planted import AHEAD, DAYS, TITLES, service
from benchmarks.quality_forecast import ours, same_as_now
from generate.plan import DAY


def test_what_is_asked_comes_after_what_is_known() -> None:
    told, cut = service(9, 1.0), 30
    begin = told.plan.start + cut * DAY
    cases = list(told.asked(cut, 5 * TITLES))
    assert max(case.profile.lifetime.last or 0 for case in cases) < begin * 1000
    assert sum(case.profile.lifetime.posts for case in cases) == int((told.posts.time < begin).sum())
    week = (told.posts.time >= begin) & (told.posts.time < begin + AHEAD * DAY)
    of_known = np.isin(told.posts.title, [case.title - 5 * TITLES for case in cases])
    assert sum(case.posts for case in cases) == int((week & of_known).sum())
    assert sum(case.positive for case in cases) == int((week & of_known & told.posts.positive).sum())
    for case in cases:
        assert (case.profile.lifetime.last or 0) / 1000 + case.days_ahead * DAY == pytest.approx(begin + AHEAD * DAY)
        assert case.truth == told.world.titles.positive_share((cut + AHEAD) / DAYS)[case.title - 5 * TITLES]


def test_titles_that_do_not_move_have_the_same_hidden_share_all_the_time() -> None:
    assert {case.moved for case in service(9, 0.0).asked(30, 0)} == {0.0}


def test_same_as_now_is_the_share_of_now_and_has_no_interval() -> None:
    [case, *_] = service(9, 1.0).asked(30, 0)
    lifetime, told = case.profile.lifetime, same_as_now(case)
    assert told.low == told.share == told.high
    assert told.share == (lifetime.positive + 2 * case.usual) / (lifetime.posts + 2)
    assert ours(case).low < ours(case).high
