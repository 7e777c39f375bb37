"""Experiments: who is in which arm. Sticky, and of two experiments independent of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec
from pydantic import Field, model_validator

from lambda_arch.draws import draw
from lambda_arch.recipes import Section
from lambda_arch.records import UseCase


class Arm(Section):
    """What an arm gets instead of what everybody gets: settings of the use case's policy, or a placement's rules."""

    weight: float = Field(gt=0, allow_inf_nan=False)
    policy: Mapping[str, Any] = {}
    placement: str | None = None


class Experiment(Section):
    """Some of the entities, split over arms; the first arm is what the others are held against.

    `shadow`: what an arm would have answered is logged and not shown.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    use_case: UseCase
    share: float = Field(default=1.0, gt=0, le=1)
    shadow: bool = False
    arms: Mapping[str, Arm]

    @model_validator(mode="after")
    def _has_something_to_compare(self) -> Self:
        if len(self.arms) < 2:
            raise ValueError(f"experiment {self.name}: want two arms at least, the first to hold the others against")
        if self.use_case != "recommend" and any(arm.placement for arm in self.arms.values()):
            raise ValueError(f"experiment {self.name}: only recommend has placements")
        return self

    def arm_of(self, entity: str) -> str | None:
        """The entity's arm, None for who takes no part; a greater share adds entities and moves none."""
        if draw(entity, f"part:{self.name}") >= self.share:
            return None
        left = draw(entity, f"arm:{self.name}") * sum(arm.weight for arm in self.arms.values())
        for name, arm in self.arms.items():
            left -= arm.weight
            if left < 0:
                return name
        return list(self.arms)[-1]


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """What an entity gets of the experiments: the settings that are shown, its arms, and the shadows to be logged."""

    arms: dict[str, str] = {}
    policy: Mapping[str, Any] = msgspec.field(default_factory=dict)
    placement: str | None = None
    shadows: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()


NOTHING = Assigned()


def assigned(experiments: Sequence[Experiment], use_case: UseCase, entity: str) -> Assigned:
    """What the entity gets when it is asked about."""
    found = [(one, arm) for one in experiments if one.use_case == use_case and (arm := one.arm_of(entity))]
    if not found:
        return NOTHING
    shown = [(one, arm) for one, arm in found if not one.shadow]
    shadows = [(one.name, arm, one.arms[arm].policy) for one, arm in found if one.shadow]
    changes = shown[0][0].arms[shown[0][1]] if shown else None
    return Assigned(
        arms={one.name: arm for one, arm in shown}, policy=changes.policy if changes else {},
        placement=changes.placement if changes else None, shadows=tuple(shadows),
    )  # fmt: skip
