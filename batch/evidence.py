"""What the gate judges a use case by: the challenger beside its baselines and the incumbent, on the same cases."""

from __future__ import annotations

import msgspec


class Rival(msgspec.Struct, frozen=True):
    """Somebody else's answers to the challenger's cases.

    `gain` is the challenger's value less the rival's; `low` and `high` its 95 % interval by paired bootstrap.
    """

    name: str
    value: float
    gain: float
    low: float
    high: float


class Evidence(msgspec.Struct, frozen=True):
    """A use case's challenger: its value by the use case's metric (higher is better) and the number of cases.

    `measures` are further figures, for criteria of the configuration.
    """

    metric: str
    value: float
    cases: int
    baselines: tuple[Rival, ...] = ()
    incumbent: Rival | None = None
    measures: dict[str, float] = {}
