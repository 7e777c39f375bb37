"""What befalls the users day by day: contacts with support, and cancelling by a hidden hazard.

The daily hazard is exp of a sum: contract, charges, how far watching has fallen, and recent support contacts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generate.plan import DAY, HOUR, SECOND, Floats, Ints, Plan
from generate.rows import Events, kind
from generate.users import COUNTRIES, DEVICES, Users

BASE = -7.2
BY_CONTRACT = np.array([1.0, 0.0, -1.2])
PER_CHARGE = 0.02
USUAL_CHARGE = 65.0
BY_FALLING = 1.8
PER_CONTACT = 0.7
CONTACT_MEMORY = 0.95
CONTACTS_A_DAY = 0.004
# From when on a day, and how long: accounts at its start, then their changes, support, and cancels in its second half,
# when the last session of the day before is over.
OPENS = np.array([0, 6, 8, 13]) * HOUR
LASTS = np.array([600, 3600, 36000, 36000]) * SECOND
PLACES = len(DEVICES) * len(COUNTRIES)


@dataclass(frozen=True)
class Lives:
    """`hazard`: mean daily hazard by user had they stayed; `cancel_day` is the number of days for one who stays.

    `contact_user` and `contact_day`: one each per support contact, before any cancelling.
    """

    hazard: Floats
    cancel_day: Ints
    contact_user: Ints
    contact_day: Ints

    def present(self, users: Users, day: int) -> Floats:
        """How much each user watches on a day; nothing from the day of cancelling on."""
        return np.where(day < self.cancel_day, users.activity * (1 - users.falling(day)), 0.0)


def lived(plan: Plan, users: Users) -> Lives:
    """The users' days, drawn."""
    rng, count = plan.rng("lives"), plan.users
    recent, total = np.zeros(count), np.zeros(count)
    cancel_day = np.full(count, plan.days)
    contacts: list[tuple[Ints, Ints]] = []
    for day in range(plan.days):
        falling = users.falling(day)
        hazard = np.minimum(np.exp(_log_hazard(users, day, falling, recent)), 0.5)
        total += hazard
        # Nobody leaves on the first day: each is seen at least once.
        leaves = (rng.random(count) < hazard) & (cancel_day == plan.days) & (day > 0)
        cancel_day[leaves] = day
        asks = (rng.random(count) < CONTACTS_A_DAY * (1 + 2 * falling)) & (day < cancel_day)
        recent = recent * CONTACT_MEMORY + asks
        who = np.flatnonzero(asks)
        contacts.append((who, np.full(len(who), day)))
    return Lives(
        hazard=total / plan.days,
        cancel_day=cancel_day,
        contact_user=np.concatenate([who for who, _ in contacts]),
        contact_day=np.concatenate([when for _, when in contacts]),
    )


def life_events(plan: Plan, users: Users, lives: Lives) -> Events:
    """Accounts, their changes, support contacts and cancels, numbered and by time.

    An account's properties are in the pool behind the places: first all accounts, then all after their change.
    """
    rng, everyone = plan.rng("life events"), np.arange(plan.users)
    changed = np.flatnonzero(users.change_day < lives.cancel_day)
    asked, left = lives.contact_user, np.flatnonzero(lives.cancel_day < plan.days)
    kinds = ("account", "account", "support", "cancel")
    who = (everyone, changed, asked, left)
    days = (0 * everyone, users.change_day[changed], lives.contact_day, lives.cancel_day[left])
    places = (PLACES + everyone, PLACES + plan.users + changed, users.place[asked], users.place[left])
    sizes = [len(rows) for rows in who]
    spread = rng.random(sum(sizes)) * np.repeat(LASTS, sizes)
    time = plan.start + np.concatenate(days) * DAY + np.repeat(OPENS, sizes) + spread.astype(np.int64)
    order = np.argsort(time, kind="stable")
    kind_of = np.repeat([kind(name) for name in kinds], sizes)
    nothing, none = np.full(len(time), -1), np.full(len(time), np.nan)
    user, place = np.concatenate(who)[order], np.concatenate(places)[order]
    numbers = np.arange(len(time))
    return Events(numbers, kind_of[order], user, nothing, time[order], none, place, time[order])


def _log_hazard(users: Users, day: int, falling: Floats, recent: Floats) -> Floats:
    everyone, changed = np.arange(len(users.segment)), users.changed(day)
    contract, charges = users.contract[everyone, changed], users.charges[everyone, changed]
    owed = PER_CHARGE * (charges - USUAL_CHARGE)
    return np.asarray(BASE + BY_CONTRACT[contract] + owed + BY_FALLING * falling + PER_CONTACT * recent)
