"""Settings of the serving layer: where it listens and by which policy each use case is answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lambda_arch.experiments import Experiment
from lambda_arch.recipes import Section
from lambda_arch.records import USE_CASES, UseCase

PolicyRule = Literal["fidelity", "newest", "batch_first", "speed_first"]


class Policy(Section):
    """How one use case is decided where both layers can answer, and beyond which age a layer's record is out.

    `margin_errors` is for the rule `fidelity`: measured fidelities closer than so many standard errors are a tie.
    `blend`, for it too: both answers as one where the backtest measured that as better than either, by the margin.
    `generation` is for the arms of experiments: `previous` is answered by what the night before the last said, alone.
    """

    rule: PolicyRule
    margin_errors: float = Field(ge=0, allow_inf_nan=False)
    batch_hours: float = Field(ge=0, allow_inf_nan=False)
    speed_hours: float = Field(ge=0, allow_inf_nan=False)
    blend: bool = False
    generation: Literal["current", "previous"] = "current"


class Policies(Section):
    """A policy for every use case."""

    recommend: Policy
    segment: Policy
    churn: Policy
    sentiment: Policy

    @model_validator(mode="after")
    def _segments_cannot_be_weighed(self) -> Self:
        if self.segment.blend:
            raise ValueError("segment.blend: nobody is in two segments at once; set it to false")
        return self

    @model_validator(mode="after")
    def _everybody_has_the_newest(self) -> Self:
        for use_case in USE_CASES:
            if self.of(use_case).generation != "current":
                raise ValueError(f"{use_case}.generation: only an experiment's arm looks back; `generations rollback`")
        return self

    def of(self, use_case: UseCase) -> Policy:
        """The policy of a use case."""
        policy: Policy = getattr(self, use_case)
        return policy


class Decisions(Section):
    """The decision log: the share of entities in it, and how many answers may wait."""

    share: float = Field(ge=0, le=1)
    buffer: int = Field(ge=1)


class Access(Section):
    """Who may ask, how often, how much, and how slowly."""

    keys_file: Path
    rate_per_second: float = Field(gt=0)
    burst: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1)
    body_seconds: float = Field(gt=0)
    max_head_bytes: int = Field(ge=1024)
    head_seconds: float = Field(gt=0)
    reader_seconds: float = Field(gt=0)
    origins: tuple[str, ...]


class Serving(Section):
    """The API and the arbiter's policies."""

    host: str
    port: int
    server: Literal["uvicorn", "granian"]
    policies: Policies
    experiments: tuple[Experiment, ...]
    decisions: Decisions
    rules: Path | None
    delivery_seconds: float = Field(gt=0)
    access: Access

    @model_validator(mode="after")
    def _experiments_fit(self) -> Self:
        names, shown = [one.name for one in self.experiments], [one for one in self.experiments if not one.shadow]
        if len({*names}) < len(names):
            raise ValueError(
                f"experiments: two of one name in {', '.join(names)}; the name is what splits the entities"
            )
        if len({one.use_case for one in shown}) < len(shown):
            raise ValueError("experiments: two of one use case would hide each other; make one a shadow, or wait")
        for one in self.experiments:
            for arm in one.arms.values():
                self.policy(one.use_case, arm.policy)
        return self

    def policy(self, use_case: UseCase, changes: Mapping[str, Any]) -> Policy:
        """The use case's policy with changes; raises pydantic's ValidationError for what is no setting of one."""
        own = self.policies.of(use_case)
        return Policy.model_validate({**own.model_dump(), **changes}) if changes else own
