"""The users: segment, taste and its drift, how much they watch, and their accounts before and after a change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.plan import RANK, Floats, Ints, Plan, unit
from generate.titles import genre_vectors

SEGMENTS = 5
# How much a segment watches, against the others.
ACTIVITY = np.array([0.35, 0.7, 1.0, 1.6, 2.8])
CONTRACTS = ("Month-to-month", "One year", "Two year")
PAYMENTS = ("Electronic check", "Mailed check", "Bank transfer (automatic)", "Credit card (automatic)")
DEVICES = ("tv", "phone", "tablet", "web")
COUNTRIES = ("DE", "AT", "CH", "FR", "GB", "US", "ES", "SE")
DECLINING = 0.3
CHANGING = 0.2
TASTE = 1.6
DECLINE_DAYS = 12.0


@dataclass(frozen=True)
class Users:
    """Users by index.

    `contract` and `charges` have a column for before and one for after the change of the account, which comes on
    `change_day` (at or beyond the last day: never); watching falls from `decline_day` on (infinite: never).
    """

    segment: Ints
    taste: Floats
    taste_move: Floats
    activity: Floats
    decline_day: Floats
    change_day: Ints
    contract: Ints
    charges: Floats
    tenure: Ints
    payment: Ints
    yes_no: Ints
    place: Ints

    def falling(self, day: int) -> Floats:
        """How far watching has fallen by a day: 0 not at all, 1 altogether."""
        return np.asarray(1 - np.exp(-np.maximum(day - self.decline_day, 0) / DECLINE_DAYS))

    def changed(self, day: int) -> Ints:
        """0 for an account before its change, else 1."""
        return (day >= self.change_day).astype(np.int64)


def made_users(plan: Plan) -> Users:
    """The users of a plan."""
    rng, count = plan.rng("users"), plan.users
    segment = rng.integers(SEGMENTS, size=count)
    declines, changes = rng.random(count) < DECLINING, rng.random(count) < CHANGING
    contract, charges = _accounts(plan)
    return Users(
        segment=segment,
        taste=_tastes(plan, segment),
        taste_move=(0.25 * rng.normal(size=(count, RANK))).astype(np.float32),
        activity=ACTIVITY[segment] * rng.gamma(3.0, 1 / 3, size=count) + 0.01,
        decline_day=np.where(declines, plan.days * rng.random(count), np.inf),
        change_day=np.where(changes, rng.integers(1, plan.days + 1, size=count), plan.days),
        contract=contract,
        charges=charges,
        tenure=rng.geometric(0.04, size=count).clip(max=72),
        payment=rng.integers(len(PAYMENTS), size=count),
        yes_no=rng.integers(2, size=(count, 4)),
        place=rng.integers(len(DEVICES) * len(COUNTRIES), size=count),
    )


def _tastes(plan: Plan, segment: Ints) -> Floats:
    """Around the segment's own mixture of genres."""
    rng, genres = plan.rng("tastes"), genre_vectors(plan)
    centres = unit(rng.dirichlet(np.full(len(genres), 0.3), size=SEGMENTS) @ genres)
    return np.asarray(TASTE * unit(centres[segment] + 0.25 * rng.normal(size=(len(segment), RANK)))).astype(np.float32)


def _accounts(plan: Plan) -> tuple[Ints, Floats]:
    rng, count = plan.rng("accounts"), plan.users
    contract = np.stack([rng.choice(3, size=count, p=[0.55, 0.25, 0.2]), rng.choice(3, size=count)], axis=1)
    before = rng.uniform(20, 110, size=count)
    after = np.clip(before + rng.normal(8, 10, size=count), 18, 130)
    return contract, np.round(np.stack([before, after], axis=1), 2)
