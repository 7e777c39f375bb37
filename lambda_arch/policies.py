"""Settings of the serving layer: where it listens and by which policy each use case is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lambda_arch.recipes import Section
from lambda_arch.records import UseCase

PolicyRule = Literal["fidelity", "newest", "batch_first", "speed_first"]


class Policy(Section):
    """How one use case is decided where both layers can answer, and beyond which age a layer's record is out.

    `margin_errors` is for the rule `fidelity`: measured fidelities closer than so many standard errors are a tie.
    """

    rule: PolicyRule
    margin_errors: float = Field(ge=0, allow_inf_nan=False)
    batch_hours: float = Field(ge=0, allow_inf_nan=False)
    speed_hours: float = Field(ge=0, allow_inf_nan=False)


class Policies(Section):
    """A policy for every use case."""

    recommend: Policy
    segment: Policy
    churn: Policy
    sentiment: Policy

    def of(self, use_case: UseCase) -> Policy:
        """The policy of a use case."""
        policy: Policy = getattr(self, use_case)
        return policy


class Decisions(Section):
    """The decision log: the share of entities in it, and how many answers may wait."""

    share: float = Field(ge=0, le=1)
    buffer: int = Field(ge=1)


class Access(Section):
    """Who may ask, how often, and how much."""

    keys_file: Path
    rate_per_second: float = Field(gt=0)
    burst: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1)
    body_seconds: float = Field(gt=0)
    origins: tuple[str, ...]


class Serving(Section):
    """The API and the arbiter's policies."""

    host: str
    port: int
    server: Literal["uvicorn", "granian"]
    policies: Policies
    decisions: Decisions
    rules: Path | None
    delivery_seconds: float = Field(gt=0)
    access: Access
