"""Posts of generated services, and what is asked of titles at a moment: the hidden truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from generate.opinions import Opinions, opinions
from generate.plan import DAY, START, Plan
from generate.titles import NEVER
from generate.world import World, made_world
from lambda_arch.clock import DAY as MICROS_A_DAY
from lambda_arch.posts import PostProfile, merge_post_profiles, post_profile, unit_post_tile

TITLES, POSTS, DAYS = 200, 40_000, 90
AHEAD = 7


@dataclass(frozen=True)
class Asked:
    """One title at a moment: what is known of it, and what came in the AHEAD days after it.

    `truth` is the hidden share at their end, `moved` by how much it moves in them; `days_ahead` counts from the newest
    post that is known.
    """

    title: int
    profile: PostProfile
    usual: float
    days_ahead: float
    truth: float
    moved: float
    posts: int
    positive: int


@dataclass(frozen=True)
class Service:
    """A generated service: its plan, its hidden world and all its posts, which feel what was planted."""

    plan: Plan
    world: World
    posts: Opinions

    def profiles(self, until: int) -> dict[int, PostProfile]:
        """The profile of each title that has a post before a day of the span."""
        known = self.posts.time < self.plan.start + until * DAY
        units: dict[int, list[PostProfile]] = {}
        told = zip(self.posts.title[known], self.posts.time[known], self.posts.positive[known], strict=True)
        for title, time, positive in told:
            units.setdefault(int(title), []).append(post_profile(unit_post_tile(int(time) * 1000, bool(positive), 0.5)))
        return {title: merge_post_profiles(parts) for title, parts in sorted(units.items())}

    def viral(self) -> dict[int, int]:
        """The titles that go viral, and the day on which they begin to."""
        day = self.world.titles.burst_day
        return {int(title): int(day[title]) for title in np.flatnonzero(day != NEVER)}

    def asked(self, until: int, first: int) -> Iterator[Asked]:
        """Every known title at the begin of a day of the span, judged by the AHEAD days that follow.

        Titles are numbered from `first`.
        """
        begin = self.plan.start + until * DAY
        known = self.posts.time < begin
        later = ~known & (self.posts.time < begin + AHEAD * DAY)
        coming = np.bincount(self.posts.title[later], minlength=TITLES)
        positive = np.bincount(self.posts.title[later & self.posts.positive], minlength=TITLES)
        now, then = (self.world.titles.positive_share(day / DAYS) for day in (until, until + AHEAD))
        for title, profile in self.profiles(until).items():
            yield Asked(
                title=first + title, profile=profile, usual=float(self.posts.positive[known].mean()),
                days_ahead=(begin + AHEAD * DAY) * 1000 / MICROS_A_DAY - (profile.lifetime.last or 0) / MICROS_A_DAY,
                truth=float(then[title]), moved=float(then[title] - now[title]),
                posts=int(coming[title]), positive=int(positive[title]),
            )  # fmt: skip


def service(seed: int, drift: float) -> Service:
    """A service whose titles' quality moves so many times as far as the generator's does; 0: not at all."""
    plan = Plan(events=POSTS, users=2000, titles=TITLES, days=DAYS, start=START, seed=seed, posts=POSTS)
    world = made_world(plan)
    titles = replace(world.titles, quality_move=drift * world.titles.quality_move)
    moved = replace(world, titles=titles)
    return Service(plan, moved, opinions(plan, moved, 0, (0.0, 1.0), 0, POSTS))
