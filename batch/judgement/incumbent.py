"""The incumbent: the generation that a night's models are to replace, and what of it stays where they are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from pyspark.sql import functions as F

from batch import stored
from batch.judgement.gate import RefusedError, Verdict
from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import Generations
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.records import UnknownSchemaError, UseCase

V = TypeVar("V")


@dataclass(frozen=True)
class Candidate:
    """Models that answer, the twins that the backtest measured in their stead, and the measured fidelity."""

    models: Models
    twins: Models
    fidelity: FidelityTable


@dataclass(frozen=True)
class Incumbent(Candidate):
    """A generation that was published, with the number of its users.

    `fault` says why its models cannot be read; there are none in it then, and nothing is compared with them.
    """

    users: int
    fault: str = ""


def admitted(
    challenger: Candidate,
    verdicts: Mapping[UseCase, Verdict],
    incumbent: Candidate | None,
    newest: FidelityTable | None,
) -> Candidate:
    """The challenger with the incumbent's model, twin and fidelity for every use case that was refused.

    That fidelity is `newest`, the incumbent's on tonight's cases; of a use case that could not be asked tonight it is
    what the incumbent's own night measured. Without an incumbent a refused use case is not in service. Raises
    RefusedError where none would be.
    """
    refused = [use_case for use_case, verdict in verdicts.items() if not verdict.accepted]
    made = Candidate(
        models=_replaced(challenger.models, refused, incumbent.models if incumbent else None),
        twins=_replaced(challenger.twins, refused, incumbent.twins if incumbent else None),
        fidelity=_measured(challenger.fidelity, refused, [incumbent.fidelity if incumbent else None, newest]),
    )
    if not made.models.in_service():
        told = "; ".join(f"{use_case}: {verdicts[use_case].reasons()}" for use_case in refused)
        raise RefusedError(f"generation {made.models.generation} refused, no use case would be in service: {told}")
    return made


def _replaced(models: Models, use_cases: Sequence[UseCase], others: Models | None) -> Models:
    changes = {use_case: getattr(others, use_case) if others else None for use_case in use_cases}
    return msgspec.structs.replace(models, **changes)


def _measured(
    own: FidelityTable, use_cases: Sequence[UseCase], others: Sequence[FidelityTable | None]
) -> FidelityTable:
    """One's own fidelity, but for some use cases the others': of each the last that has it."""
    kept = [other for other in others if other]
    return FidelityTable(
        own.generation,
        _mixed(own.measures, use_cases, [other.measures for other in kept]),
        _mixed(own.gains, use_cases, [other.gains for other in kept]),
        blends=_mixed(own.blends, use_cases, [other.blends for other in kept]),
    )


def _mixed(own: dict[str, V], use_cases: Sequence[UseCase], others: Sequence[dict[str, V]]) -> dict[str, V]:
    mixed = {name: value for name, value in own.items() if name not in use_cases}
    for other in others:
        mixed |= {name: value for name, value in other.items() if name in use_cases}
    return dict(sorted(mixed.items()))


def in_service(lake: Lake, pointer: Generations, number: int) -> Incumbent | None:
    """The generation that readers have, other than `number`; the one before where `number` is current already.

    A night that is run again is so compared with what it was compared with the first time.
    """
    in_service = pointer.previous if pointer.current == number else pointer.current
    return _incumbent(stored.newest(lake, F.col("generation") == in_service))


def before(lake: Lake, horizon: int) -> Incumbent | None:
    """The newest generation of an earlier horizon, for a night that is caught up."""
    return _incumbent(stored.before(lake, horizon))


def _incumbent(found: stored.Stored | None) -> Incumbent | None:
    if found is None:
        return None
    users = found.report["users"]
    try:
        return Incumbent(found.models(), found.twins(), found.fidelity(), users)
    except UnknownSchemaError as error:
        fault = f"generation {found.number} cannot be compared with, and no model of it stays ({error})"
        none = Models(generation=found.number, horizon=found.horizon)
        return Incumbent(none, none, FidelityTable(found.number, {}), users, fault)
