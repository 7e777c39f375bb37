"""Which nights run, in which order, and what stops them: by a clock and a runner that are handed in."""

from __future__ import annotations

import subprocess

import pytest

from jobs.nights import (
    REFUSED_CODE,
    Ended,
    NightError,
    Outcome,
    due,
    in_own_process,
    last_midnight,
    missing,
    run_in_order,
)
from jobs.schedule import trigger
from lambda_arch.clock import DAY, HOUR, parse_rfc3339
from lambda_arch.config import ConfigError, load_config
from lambda_arch.keys import Generations

MONDAY = parse_rfc3339("2016-03-07T00:00:00Z")


@pytest.mark.parametrize(
    ("last", "moment", "expected"),
    [
        pytest.param(MONDAY, MONDAY + 23 * HOUR, [], id="the last midnight has its generation"),
        pytest.param(MONDAY, MONDAY + DAY, [MONDAY + DAY], id="midnight itself is over"),
        pytest.param(MONDAY, MONDAY + 3 * DAY + HOUR, [MONDAY + n * DAY for n in (1, 2, 3)], id="missed, oldest first"),
        pytest.param(MONDAY, MONDAY + 9 * DAY, [MONDAY + n * DAY for n in (6, 7, 8, 9)], id="the newest four of nine"),
        pytest.param(0, MONDAY + HOUR, [MONDAY], id="the first night of all"),
        pytest.param(0, 0, [], id="an event clock that has seen nothing"),
        pytest.param(MONDAY, MONDAY - 2 * DAY, [], id="a clock behind the generation in service"),
    ],
)
def test_nights_that_are_due(last: int, moment: int, expected: list[int]) -> None:
    assert due(last, moment, 4) == expected


@pytest.mark.parametrize(
    ("in_lake", "pointer", "expected"),
    [
        pytest.param({}, Generations(), [0, 1, 2], id="nothing yet"),
        pytest.param({1: 1}, Generations(1, MONDAY + DAY), [0, 2], id="what is in the lake is left out"),
        pytest.param({1: 0, 2: 1}, Generations(1, MONDAY), [1, 2], id="but not what was killed before its flip"),
        pytest.param({1: 0, 2: 1}, Generations(1, MONDAY, withdrawn=(2,)), [2], id="a withdrawn one is not run again"),
        pytest.param({1: 0, 2: 1, 3: 1}, Generations(3, MONDAY + DAY, withdrawn=(2,)), [2], id="replaced since"),
        pytest.param({1: 0, 2: 1, 3: 2}, Generations(), [0, 1, 2], id="the store was lost"),
    ],
)
def test_nights_of_a_range_that_are_missing(in_lake: dict[int, int], pointer: Generations, expected: list[int]) -> None:
    days = [MONDAY + n * DAY for n in range(3)]
    found = missing(days, {number: days[day] for number, day in in_lake.items()}, pointer)
    assert found == [days[day] for day in expected]


def test_the_last_midnight() -> None:
    assert last_midnight(MONDAY + DAY - 1) == last_midnight(MONDAY) == MONDAY


def test_nights_run_in_order_and_a_refused_one_does_not_hold_up_the_next() -> None:
    ran: list[int] = []
    said: list[str] = []
    ends = iter([Ended(Outcome.PUBLISHED), Ended(Outcome.REFUSED, "too few users"), Ended(Outcome.PUBLISHED)])

    def run(horizon: int) -> Ended:
        ran.append(horizon)
        return next(ends)

    run_in_order([MONDAY, MONDAY + DAY, MONDAY + 2 * DAY], run, said.append)
    assert ran == [MONDAY, MONDAY + DAY, MONDAY + 2 * DAY]
    assert [line.partition(" ")[2] for line in said] == ["published", "refused: too few users", "published"]


def test_a_failed_night_stops_those_after_it_with_its_reason() -> None:
    ran: list[int] = []

    def run(horizon: int) -> Ended:
        ran.append(horizon)
        return Ended(Outcome.FAILED, "store is full") if len(ran) == 2 else Ended(Outcome.PUBLISHED)

    with pytest.raises(NightError, match=r"2016-03-08.* failed, later ones were not begun: store is full"):
        run_in_order([MONDAY + n * DAY for n in range(4)], run, lambda line: None)
    assert ran == [MONDAY, MONDAY + DAY]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(0, Outcome.PUBLISHED), (REFUSED_CODE, Outcome.REFUSED), (1, Outcome.FAILED), (-9, Outcome.FAILED)],
)
def test_a_process_s_end_is_a_night_s(code: int, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "WARN of something\nrun_batch: the reason\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], code, stderr=said))
    assert in_own_process(MONDAY) == Ended(outcome, "" if code == 0 else "run_batch: the reason")


def test_the_time_of_day_is_cron_s_and_nothing_else() -> None:
    assert str(trigger(load_config({})).fields[5]) == "0"
    with pytest.raises(ConfigError, match=r"schedule\.cron"):
        trigger(load_config({"LAMBDA_ARCH__SCHEDULE__CRON": "every night"}))
