"""Cases as columns: what the figures are computed from, in numpy and in one order whatever Spark's was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch.measures.bootstrap import Floats

BLEND = "blend:"


@dataclass(frozen=True)
class Panel:
    """Cases of one use case: entity's number, bucket, everybody's answers and the facts, all [cases].

    `blends` are answers of both layers together, by the speed layer's weight.
    """

    entity: NDArray[np.int64]
    bucket: NDArray[np.str_]
    answers: dict[str, Floats]
    facts: dict[str, Floats]
    listed: list[Sequence[str]]
    blends: dict[str, Floats] = field(default_factory=dict)

    def where(self, rows: NDArray[np.bool_]) -> Panel:
        """Some of the cases, with the answers and facts that they have."""
        return replace(
            self,
            entity=self.entity[rows],
            bucket=self.bucket[rows],
            answers=_known(self.answers, rows),
            facts=_known(self.facts, rows),
            listed=[self.listed[row] for row in np.flatnonzero(rows)],
            blends=_known(self.blends, rows),
        )


def panel(cases: pa.Table, use_case: str) -> Panel | None:
    """The panel of a use case, ordered by entity; None without a case."""
    found = [case for case in cases.to_pylist() if case["use_case"] == use_case]
    if not found:
        return None
    found.sort(key=lambda case: str(case["entity"]))  # stable: an entity's cases come in their order
    answers, facts = ([dict(case[name]) for case in found] for name in ("answers", "facts"))
    columns = _columns(answers)
    weighed = {name.removeprefix(BLEND): column for name, column in columns.items() if name.startswith(BLEND)}
    return Panel(
        entity=np.unique([case["entity"] for case in found], return_inverse=True)[1].astype(np.int64),
        bucket=np.array([case["bucket"] for case in found]),
        answers={name: column for name, column in columns.items() if not name.startswith(BLEND)},
        facts=_columns(facts),
        listed=[case["listed"] for case in found],
        blends=weighed,
    )


def _known(columns: dict[str, Floats], rows: NDArray[np.bool_]) -> dict[str, Floats]:
    kept = {name: values[rows] for name, values in columns.items()}
    return {name: values for name, values in kept.items() if not np.isnan(values).all()}


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, Floats]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in names}
