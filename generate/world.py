"""The hidden world of a plan, whole."""

from __future__ import annotations

from dataclasses import dataclass

from generate.lives import Lives, lived
from generate.plan import Plan
from generate.rhythm import Rhythm, made_rhythm
from generate.titles import Titles, made_titles
from generate.users import Users, made_users


@dataclass(frozen=True)
class World:
    """Who and what there is, what befalls them, and when people watch."""

    titles: Titles
    users: Users
    lives: Lives
    rhythm: Rhythm


def made_world(plan: Plan) -> World:
    """The world of a plan."""
    titles, users = made_titles(plan), made_users(plan)
    lives = lived(plan, users)
    return World(titles, users, lives, made_rhythm(plan, users, lives))
