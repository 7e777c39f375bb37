"""The horizon that a night is given: a UTC midnight, or one line that says what is wanted."""

from __future__ import annotations

import pytest

from jobs.run_batch import midnight
from lambda_arch.clock import DAY
from lambda_arch.config import ConfigError


def test_a_midnight_is_taken_in_any_zone() -> None:
    assert midnight("2016-01-01T00:00:00Z") == midnight("2016-01-01T02:00:00+02:00") == 16801 * DAY


@pytest.mark.parametrize(
    ("horizon", "reason"),
    [
        pytest.param("2016-01-01T12:00:00Z", "UTC midnight", id="a horizon within a day is refused"),
        pytest.param("2016-01-01T00:00:00", "time zone", id="a horizon without a zone is refused"),
        pytest.param("yesterday", "--horizon yesterday", id="a horizon that is no time is refused"),
    ],
)
def test_a_wrong_horizon_is_refused(horizon: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        midnight(horizon)
