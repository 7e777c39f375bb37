"""Drawing by hash: the same luck for the same entity, even, and independent from one salt to the next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.draws import draw

MANY = 20_000


@given(st.text(), st.text())
def test_everybody_has_a_number_and_always_the_same(entity: str, salt: str) -> None:
    assert 0 <= draw(entity, salt) < 1
    assert draw(entity, salt) == draw(entity, salt)


def test_the_number_is_the_same_in_every_process() -> None:
    assert [round(draw(f"u:{number}", "decisions"), 6) for number in (1, 2, 3)] == [0.698514, 0.409964, 0.241196]


def test_a_text_half_in_the_salt_is_another_text() -> None:
    assert draw("bc", "a") != draw("c", "ab")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
def test_shares_are_within_five_standard_errors(share: float) -> None:
    chosen = sum(draw(f"u:{number}", "some salt") < share for number in range(MANY))
    assert abs(chosen - MANY * share) < 5 * math.sqrt(MANY * share * (1 - share))


def test_two_salts_are_independent() -> None:
    both = sum(draw(f"u:{number}", "one") < 0.5 and draw(f"u:{number}", "two") < 0.5 for number in range(MANY))
    assert abs(both - MANY / 4) < 5 * math.sqrt(MANY * 0.25 * 0.75)
