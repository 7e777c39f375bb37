"""Rows of measurements: a target is kept or missed, and a miss is shown."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks.rows import Row, above, at_least, at_most, reported, table, write


@pytest.mark.parametrize(
    ("row", "value", "target", "met"),
    [
        pytest.param(at_least(20, "n", [19.0, 20.0, 30.0], "×"), 20.0, "≥ 20", True, id="the median reaches it"),
        pytest.param(at_least(20, "n", [19.0, 19.5, 30.0], "×"), 19.5, "≥ 20", False, id="one good round of three"),
        pytest.param(at_most(0.03, "n", [0.03], "1"), 0.03, "≤ 0.03", True, id="just within"),
        pytest.param(at_most(0.03, "n", [0.031], "1"), 0.031, "≤ 0.03", False, id="just beyond"),
        pytest.param(above(0, "n", [0.001], ""), 0.001, "> 0", True, id="just above"),
        pytest.param(above(0, "n", [0.0], ""), 0.0, "> 0", False, id="not above itself"),
        pytest.param(reported("n", [1.0], "s"), 1.0, "", None, id="nothing was promised"),
    ],
)
def test_the_median_is_held_to_the_target(row: Row, value: float, target: str, met: bool | None) -> None:
    assert (row.value, row.target, row.met) == (value, target, met)


def test_a_miss_is_shown_as_a_miss_with_its_range() -> None:
    out = Console(file=io.StringIO(), width=120)
    out.print(table("speed", [at_least(20, "publish", [18.0, 19.0, 21.0], "×", "one SET per row")]))
    line = next(line for line in out.file.getvalue().splitlines() if "publish" in line)  # type: ignore[attr-defined]
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "publish", "one SET per row", "19", "×", "18 to 21", "≥ 20", "MISSED"
    ]  # fmt: skip


def test_a_row_is_written_with_every_field() -> None:
    assert set(msgspec.to_builtins(reported("n", [1.0], "s"))) == {
        "name", "value", "unit", "against", "target", "met", "rounds", "module"
    }  # fmt: skip


def test_a_module_measured_again_replaces_its_rows_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write([Row("a", 1.0, "s", module="one"), Row("b", 2.0, "s", module="one")], path)
    write([Row("c", 3.0, "s", module="another")], path)
    write([Row("a", 4.0, "s", module="one")], path)
    rows = msgspec.json.decode(path.read_bytes(), type=list[Row])
    assert [(row.module, row.name, row.value) for row in rows] == [("another", "c", 3.0), ("one", "a", 4.0)]
