"""The fidelity command: a generation's figures as tables, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.fidelity import WIDTH, PlotError, bar
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.store import Store, StoreError

pytestmark = pytest.mark.servers
DATABASE = 11
CHURN = {
    "batch": {"0": Measure(-0.4, 0.05, 120), "1": Measure(-0.6, 0.05, 0, ("2-4",))},
    "speed": {"0": Measure(-0.4, 0.05, 120), "1": Measure(-0.4, 0.05, 0, ("2-4",))},
}


@pytest.fixture
def place(store_url: str, tmp_path: Path, small_models: Models, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with the fidelity of generations 2, which is current, and 3."""
    url = f"{store_url.removesuffix('/0')}/{DATABASE}"
    monkeypatch.setenv("LAMBDA_ARCH__STORE__URL", url)
    monkeypatch.setenv("LAMBDA_ARCH__PATHS__VAR", str(tmp_path))
    store = Store(url, 1)
    for number, measures in ((2, {"churn": CHURN}), (3, {})):
        models = msgspec.structs.replace(small_models, generation=number)
        store.put_models(models, FidelityTable(number, measures))
    store.flip(2, small_models.horizon)
    yield store
    store.redis.flushdb()
    store.redis.close()


def asked(*arguments: str) -> str:
    told = CliRunner().invoke(app, ["fidelity", *arguments], env={"COLUMNS": "140"}, catch_exceptions=False)
    assert told.exit_code == 0
    return told.output


def test_the_current_generation_is_shown_with_what_it_borrowed(place: Store) -> None:
    rows = [line for line in asked().splitlines() if "speed" in line or "batch" in line]
    assert len(rows) == 4
    assert "-0.600 ± 0.050" in rows[2]
    assert "2-4" in rows[2]
    assert "2-4" not in rows[0]


def test_json_is_the_table_as_it_is_stored_and_any_generation_can_be_asked_for(place: Store) -> None:
    assert msgspec.json.decode(asked("--json"), type=FidelityTable) == place.fidelity(2)
    assert json.loads(asked("--json", "--generation", "3"))["generation"] == 3


def test_a_generation_that_is_not_there_is_named(place: Store) -> None:
    with pytest.raises(StoreError, match="generation 9 is not in the store"):
        asked("--generation", "9")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_plot_is_a_file_of_the_kind_that_was_named(place: Store, tmp_path: Path, kind: str) -> None:
    asked("--json", "--plot", str(tmp_path / f"fidelity.{kind}"))
    drawn = (tmp_path / f"fidelity.{kind}").read_bytes()
    assert (b"<svg" if kind == "svg" else b"\x89PNG") in drawn[:2000]


@pytest.mark.parametrize("name", ["nowhere/fidelity.svg", "fidelity.pie"])
def test_a_plot_that_cannot_be_drawn_says_why(place: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(PlotError, match="cannot draw"):
        asked("--plot", str(tmp_path / name))


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [(0.5, 0.0, "█" * 16), (0.5, 0.25, "█" * 8 + "▒" * 8 + "─" * 8), (1.0, 0.0, "█" * WIDTH), (0.0, 0.0, "")],
)
def test_a_bar_is_as_long_as_the_value_with_its_error_to_both_sides(value: float, error: float, shown: Any) -> None:
    assert bar(Measure(value, error, 1), 0.0, 1.0) == shown
