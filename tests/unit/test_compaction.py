"""When the archive puts files together: every so many minutes, of all the tables that it fills."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambda_arch.config import ConfigError, load_config
from lambda_arch.tables import Table
from streaming.archive import FILLED, Compaction


class Compacted:
    """A lake that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Table, int]] = []

    def compact(self, table: Table, file_mib: int) -> tuple[int, int]:
        self.asked.append((table, file_mib))
        return 9, 1


@pytest.mark.parametrize(("minutes", "times"), [(0, 0), (10, 3), (35, 0), (0.5, 30)])
def test_it_is_done_every_so_many_minutes(monkeypatch: pytest.MonkeyPatch, minutes: float, times: int) -> None:
    now = [1000.0]
    monkeypatch.setattr("streaming.archive.time", SimpleNamespace(monotonic=lambda: now[0]))
    settings = load_config({}).archive.model_copy(update={"compact_minutes": minutes, "compact_mib": 7})
    lake: Any = Compacted()
    compaction = Compaction(lake, settings)
    for _ in range(30):
        compaction.when_due()
        now[0] += 60
    compaction.when_due()
    assert lake.asked == [(table, 7) for table in FILLED] * times


@pytest.mark.parametrize(("key", "value"), [("SILVER_SECONDS", "-1"), ("COMPACT_MINUTES", "-1"), ("COMPACT_MIB", "0")])
def test_a_setting_that_is_out_of_range_is_named(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"archive.{key.lower()}: Input should be greater than or equal to"):
        load_config({f"LAMBDA_ARCH__ARCHIVE__{key}": value})
