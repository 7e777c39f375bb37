"""The table of docs/arbitration.md is the arbiter: every state there can be has exactly one row, and it is right."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from test_arbiter import H2, NOW, batch, context, measured, policy, speed, table

from lambda_arch.clock import HOUR, rfc3339
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import Generations
from lambda_arch.records import Prediction
from serving.arbiter import Candidates, arbitrate

PAGE = Path(__file__).parents[2] / "docs" / "arbitration.md"
HEAD = "| policy | batch | speed | measured | newest event | answers | rule |"
POLICIES = ("fidelity", "newest", "batch_first", "speed_first")
WITHDRAWN = 3
GENERATIONS = Generations(
    current=2, current_horizon=H2, previous=1, previous_horizon=H2 - 24 * HOUR, withdrawn=(WITHDRAWN,)
)
OUT: dict[str, dict[str, object] | None] = {
    "absent": None,
    "of a generation unknown": {"generation": 9},
    "withdrawn": {"generation": WITHDRAWN},
    "expired": {"as_of": rfc3339(NOW - 25 * HOUR)},  # of batch: the horizon below
}
NEWEST = {"batch": (H2 - HOUR, H2 - 2 * HOUR), "speed": (H2 - HOUR, NOW), "both": (H2 - HOUR, H2 - HOUR)}
MEASURED: dict[str, list[FidelityTable | None]] = {
    "batch": [table(measured(0.9), measured(0.1))],
    "speed": [table(measured(0.1), measured(0.9))],
    "tie": [None, table(measured(0.5), measured(0.5)), table(None, measured(0.9)), table(measured(0.9), None)],
}
Row = tuple[str, ...]


def rows() -> list[Row]:
    """The page's table by its cells."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].strip().splitlines()[1:]
    of_table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in of_table]


def matching(state: Row) -> list[Row]:
    return [row for row in rows() if all(cell in ("any", is_so) for cell, is_so in zip(row, state, strict=False))]


def answered(state: Row, why_out: tuple[str, str], fidelity: FidelityTable | None) -> tuple[str, str]:
    rule, batch_is, speed_is, _, newest = state
    batch_as_of, speed_as_of = NEWEST[newest]
    of_batch: Prediction | None = batch(as_of=rfc3339(batch_as_of))
    of_speed: Prediction | None = speed(as_of=rfc3339(speed_as_of))
    hours = 48.0
    if batch_is == "out":
        changes = OUT[why_out[0]]
        hours = 1.0 if why_out[0] == "expired" else hours
        of_batch = None if changes is None else batch(**changes)
    if speed_is == "out":
        changes = OUT[why_out[1]]
        of_speed = None if changes is None else speed(**changes)
    asked = policy(rule=rule, batch_hours=hours)
    decision = arbitrate(Candidates(of_batch, of_speed), context(fidelity, generations=GENERATIONS, policy=asked))
    return decision.layer, decision.rule


@pytest.mark.parametrize("rule", POLICIES)
def test_every_state_has_one_row_and_the_arbiter_does_as_it_says(rule: str) -> None:
    for batch_is, speed_is, better, newest in itertools.product(("in", "out"), ("in", "out"), MEASURED, NEWEST):
        state = (rule, batch_is, speed_is, better, newest)
        [row] = matching(state)
        for why_out, fidelity in itertools.product(itertools.product(OUT, OUT), MEASURED[better]):
            assert answered(state, why_out, fidelity) == row[5:], (state, why_out)


def test_every_row_is_of_a_state_that_there_can_be() -> None:
    states = list(itertools.product(POLICIES, ("in", "out"), ("in", "out"), MEASURED, NEWEST))
    used = {row for state in states for row in matching(state)}
    assert used == set(rows())
    assert len(rows()) == 13
