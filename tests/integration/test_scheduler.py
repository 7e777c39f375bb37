"""A night as a process of its own: what becomes of its exit code and its last words."""

from __future__ import annotations

import pytest

from jobs.nights import Outcome, in_own_process
from lambda_arch.clock import DAY


def test_a_night_that_cannot_begin_has_failed_with_its_own_reason(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMBDA_ARCH__STORE__URL", "redis://127.0.0.1:1/0")
    ended = in_own_process(16_000 * DAY)
    assert ended.outcome is Outcome.FAILED
    assert ended.reason.startswith("run_batch: store does not answer")
    assert ended.reason in capfd.readouterr().err
