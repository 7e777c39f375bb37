"""Everything at once for some seconds; `python -m benchmarks.endurance` is the same for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from speed_stack import FETCHED

from benchmarks.endurance import PROGRAMS, endure, settings
from deploy import servers

pytestmark = [pytest.mark.servers, pytest.mark.e2e]


def test_nothing_fails_but_what_is_said_to_and_no_answer_mixes_generations(tmp_path: Path) -> None:
    config = settings(tmp_path / "var")
    with servers.running(config, PROGRAMS, jars=FETCHED if FETCHED.is_dir() else None):
        found = endure(config, 12)
    assert (found.faults, found.mixtures) == ([], [])
    assert found.generations == [2, 3]  # the flip was seen, and so was the way back
    assert found.away > 0
    assert min(found.answers, found.files, found.applied, found.decisions) > 50
