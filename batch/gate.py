"""May this generation become current? The first reason against it, or none."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_arch.models import Models
from lambda_arch.recipes import Batch


class RefusedError(RuntimeError):
    """The generation was refused; what was in service stays in service."""


@dataclass(frozen=True)
class Size:
    """How many entities a generation speaks of."""

    users: int
    titles: int


def refusal(size: Size, models: Models, settings: Batch) -> str | None:
    """Why the generation must not become current."""
    if size.users == 0:
        return "no user has an event before the horizon: ingest events first, or choose a later horizon"
    if size.users < settings.min_users:
        return f"{size.users} users, fewer than batch.min_users = {settings.min_users}"
    if not any((models.recommend, models.churn, models.segment, models.sentiment)):
        return "no model could be trained: ratings or views, labelled accounts or labelled posts are needed"
    return None
